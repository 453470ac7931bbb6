import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, OutcomeUnknownError } from '../errors.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';

/** How long a call waits for the database to become reachable again. */
const waitMs = 1500;
const pollMs = 50;
/** How long a commit may take to arrive at the database, once that is reachable. */
const settleMs = 500;

/**
 * Determines the outcome of a commit whose response was lost with the connection: returns once `isCommitted` finds it,
 * rejects with `failure` if it was not committed.
 * @throws OutcomeUnknownError if no primary can be reached, or the commit may still be waiting there.
 */
export async function waitForCommit(
  prisma: Pick<PrismaClient, '$queryRaw'>,
  failure: unknown,
  isCommitted: () => Promise<boolean>,
): Promise<void> {
  let deadline = Date.now() + waitMs;
  let isDecided = false;
  const isStillOpen = createOpenCheck(prisma);
  const poll = async () => {
    const isOpen = await isStillOpen();
    // Asked last: what is committed in between is found.
    return (await isCommitted()) ? 'committed' : isOpen ? 'open' : 'not committed';
  };
  while (Date.now() < deadline) {
    try {
      const timeout = sleep(deadline - Date.now(), undefined, { ref: false });
      const answer = await Promise.race([poll(), timeout]);
      if (answer === 'committed') return;
      if (answer === undefined) break;
      if (answer === 'not committed' && !isDecided) deadline = Math.min(deadline, Date.now() + settleMs);
      isDecided = answer === 'not committed';
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
    await sleep(pollMs);
  }
  throw isDecided ? failure : new OutcomeUnknownError(failure);
}

/**
 * Returns a function that reads whether a commit that is not visible may become visible yet: because a standby was
 * asked, which lags, or because a statement of this role has been running since before the first answer. With
 * synchronous replication a commit whose client is gone still waits for its standby.
 */
function createOpenCheck(prisma: Pick<PrismaClient, '$queryRaw'>): () => Promise<boolean> {
  let askedAt: Date | null = null;
  return async () => {
    const [row] = await prisma.$queryRaw<{ isOpen: boolean; askedAt: Date }[]>`
      SELECT pg_is_in_recovery() OR EXISTS (
          SELECT FROM pg_stat_activity
          WHERE usename = session_user AND datname = current_database() AND pid <> pg_backend_pid()
            AND state = 'active' AND xact_start <= asked_at
        ) AS "isOpen", asked_at AS "askedAt"
      FROM coalesce(${askedAt}::timestamptz, now()) AS asked_at`;
    ({ askedAt } = row!);
    return row!.isOpen;
  };
}
