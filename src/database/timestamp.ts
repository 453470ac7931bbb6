/** Offsets before about 1920 may have seconds: Asia/Tehran had +03:25:44. */
const timestampPattern =
  /^(\d{4,6})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d(?:\.\d{1,6})?)(?:Z|([+-])(\d\d)(?::?(\d\d))?(?::?(\d\d))?)( BC)?$/;

/**
 * Parses a `timestamptz` as PostgreSQL formats it in JSON or text, in any session time zone, or the result of
 * `toISOString()`. Returns an invalid date for any other text, such as `infinity`.
 */
export function parseTimestamp(text: string): Date {
  const [, year, month, day, hours, minutes, seconds, sign, offsetHours, offsetMinutes, offsetSeconds, era] =
    timestampPattern.exec(text) ?? [];
  if (year === undefined) return new Date(Number.NaN);
  const instant = new Date(0);
  instant.setUTCFullYear(era ? 1 - Number(year) : Number(year), Number(month) - 1, Number(day));
  instant.setUTCHours(Number(hours), Number(minutes), 0, Math.floor(Number(seconds) * 1000 + 1e-6));
  const offsetMs =
    ((Number(offsetHours ?? 0) * 60 + Number(offsetMinutes ?? 0)) * 60 + Number(offsetSeconds ?? 0)) * 1000;
  return new Date(instant.getTime() - (sign === '-' ? -offsetMs : offsetMs));
}
