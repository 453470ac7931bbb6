/** The result of an attempt, as it is stored. */
export type StoredResult = {
  /** Of the delivery. */
  readonly id: string;
  /** With this attempt. */
  readonly attempts: number;
  readonly status: 'pending' | 'delivered' | 'failed';
  /** Of a pending delivery, until its next attempt, in milliseconds. */
  readonly delayMs: number | null;
  readonly error: string | null;
};

/** Retries of many deliveries are spread over this part of the delay, after it. */
const jitter = 0.1;

/** Returns the status of a delivery after a success, which has no next attempt. */
export const delivered = { status: 'delivered', delayMs: null } as const;
/** The same after a failure that another attempt would not change. */
export const failed = { status: 'failed', delayMs: null } as const;

/**
 * Returns the status of a delivery after a failure, by the delays between its attempts, the first one first: pending
 * until the next attempt, which is at least `minDelayMs` later; failed after the last attempt.
 */
export function retryAfter(
  attempts: number,
  delaysMs: readonly number[],
  minDelayMs = 0,
): Pick<StoredResult, 'status' | 'delayMs'> {
  const delay = delaysMs[attempts - 1];
  if (delay === undefined) return failed;
  const delayMs = Math.round(Math.max(delay * (1 + jitter * Math.random()), minDelayMs));
  return { status: 'pending', delayMs };
}
