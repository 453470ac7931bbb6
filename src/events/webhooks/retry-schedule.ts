const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** The delays between the end of an attempt and the next one: the example schedule of Standard Webhooks 1.0. */
const retryDelaysMs = [
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

/** The attempts of a delivery, with the first one. */
export const maxAttempts = retryDelaysMs.length + 1;

/** A receiver may ask for a longer delay, up to this one. */
const maxRetryAfterMs = 24 * hour;
/** Retries of many deliveries are spread over this part of the delay, after it. */
const jitter = 0.1;

/**
 * Returns the delay before the next attempt in milliseconds, or undefined if the attempt was the last one.
 * `retryAfterMs` is what the receiver asked for, if it did.
 */
export function readRetryDelay(attempts: number, retryAfterMs = 0): number | undefined {
  const delay = retryDelaysMs[attempts - 1];
  if (delay === undefined) return undefined;
  return Math.round(Math.max(delay * (1 + jitter * Math.random()), Math.min(retryAfterMs, maxRetryAfterMs)));
}

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
