const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** The delays between the end of an attempt and the next one: the example schedule of Standard Webhooks 1.0. */
export const retryDelaysMs: readonly number[] = [
  5 * second,
  5 * minute,
  30 * minute,
  2 * hour,
  5 * hour,
  10 * hour,
  14 * hour,
  20 * hour,
  24 * hour,
];

/** A receiver may ask for a longer delay by Retry-After, up to this one. */
export const maxRetryAfterMs = 24 * hour;

/**
 * Parses the header Retry-After, seconds or a date (RFC 9110, section 10.2.3), as milliseconds from now; undefined if
 * it is missing or invalid.
 */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * second;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
