import { randomUUID } from 'node:crypto';
import { isRolledBackByConflict, isTimeLimit } from '../database/conflict.ts';
import { AppError } from '../errors.ts';
import type { Logger } from '../log.ts';

/** The caller of the purge in the audit log. */
type PurgeCaller = { readonly account: string; readonly requestId: string };

/** Removes one batch of expired rows of a kind and returns how many; 0 if none is left. */
type PurgeBatch = (caller: PurgeCaller) => Promise<number>;

const intervalMs = 60_000;

/**
 * Purges expired rows every minute, until it is stopped: batch by batch, one kind after the other, by the name under
 * which the log counts it. Several servers may run it concurrently on one database.
 */
export function startPurgeJob(
  batches: Readonly<Record<string, PurgeBatch>>,
  log: Logger,
): { stop(): Promise<void> } {
  let running: Promise<void> | undefined;
  const stopping = new AbortController();

  const purge = async () => {
    try {
      const caller = { account: 'group-api', requestId: randomUUID() };
      const counts: Record<string, number> = {};
      for (const [name, purgeBatch] of Object.entries(batches))
        counts[name] = await repeat(() => purgeBatch(caller));
      if (Object.values(counts).some((count) => count > 0)) log.info(counts, 'purged expired rows');
    } catch (error) {
      // Retried in a minute. The connection watchdog logs an unavailable database.
      if (isRolledBackByConflict(error) || isTimeLimit(error))
        log.warn(
          { reason: (error as Error).message },
          'the purge of expired rows was blocked, and is retried',
        );
      else if (!(error instanceof AppError)) log.error({ err: error }, 'the purge of expired rows failed');
    }
  };
  /** Runs batches until one is empty. A purge that is stopped still runs one batch of each kind. */
  const repeat = async (purgeBatch: () => Promise<number>) => {
    let removed = 0;
    let count: number;
    do {
      count = await purgeBatch();
      removed += count;
    } while (count !== 0 && !stopping.signal.aborted);
    return removed;
  };
  const tick = () => {
    running ??= purge().finally(() => (running = undefined));
  };

  tick();
  const timer = setInterval(tick, intervalMs);
  return {
    async stop() {
      stopping.abort();
      clearInterval(timer);
      await running;
    },
  };
}
