/** Parses a day (its start in UTC) or a date and time with an offset; returns undefined for any other text. */
export function parseDateText(text: string): Date | undefined {
  const [, day] = /^(\d{4}-\d\d-\d\d)(T.+(Z|[+-]\d\d:\d\d))?$/.exec(text) ?? [];
  // `Date` accepts February 31 as a day in March.
  const isDay = day !== undefined && new Date(`${day}T00:00Z`).toJSON()?.startsWith(day);
  const date = new Date(text);
  return isDay && !Number.isNaN(date.getTime()) ? date : undefined;
}
