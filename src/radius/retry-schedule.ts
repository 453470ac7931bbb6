const minute = 60 * 1000;
const hour = 60 * minute;

/**
 * The delays between the end of an attempt and the next one, about a day in total. A NAS that restarts has lost its
 * sessions, and its start reaches the accounting within minutes; the line to a site is interrupted for minutes or
 * hours. Sessions that last longer than a day without a restart, a Session-Timeout or an interruption are rare.
 */
export const retryDelaysMs: readonly number[] = [
  minute,
  5 * minute,
  15 * minute,
  30 * minute,
  hour,
  2 * hour,
  4 * hour,
  8 * hour,
  8 * hour,
];

/**
 * Returns how long a packet waits for its response before it is sent again, in milliseconds; after the last one, the
 * attempt ends. RFC 5080, section 2.2.1, asks for delays that double up to a maximum.
 */
export function readRetransmissionDelays(timeoutMs: number): readonly number[] {
  return [1, 2, 4, 4].map((factor) => factor * timeoutMs);
}
