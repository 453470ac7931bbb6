import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, OutcomeUnknownError } from '../errors.ts';

/** How long a call waits for the database to become reachable again. */
const waitMs = 1500;
const pollMs = 50;
/** How long a commit may take to become visible once the database is reachable. */
const settleMs = 500;

/**
 * Determines the outcome of a commit whose response was lost with the connection: returns once `isCommitted` finds
 * it, rejects with `failure` if it was not committed.
 * @throws OutcomeUnknownError if the database cannot be reached.
 */
export async function waitForCommit(failure: unknown, isCommitted: () => Promise<boolean>): Promise<void> {
  let deadline = Date.now() + waitMs;
  let isReachable = false;
  while (Date.now() < deadline) {
    try {
      const timeout = sleep(deadline - Date.now(), undefined, { ref: false });
      if ((await Promise.race([isCommitted(), timeout])) === true) return;
      if (Date.now() >= deadline) break;
      if (!isReachable) deadline = Math.min(deadline, Date.now() + settleMs);
      isReachable = true;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
    await sleep(pollMs);
  }
  throw isReachable ? failure : new OutcomeUnknownError(failure);
}
