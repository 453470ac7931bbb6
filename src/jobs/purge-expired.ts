import { randomUUID } from 'node:crypto';
import { isRolledBackByConflict, isTimeLimit } from '../database/conflict.ts';
import { AppError } from '../errors.ts';
import { purgeFinished, type JobOutcome } from '../measurements/channels.ts';
import { tracer } from '../measurements/tracer.ts';
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
  let running: Promise<unknown> | undefined;
  const stopping = new AbortController();

  const purge = async () => {
    const startedAt = performance.now();
    const counts: Record<string, number> = {};
    const outcome = await purgeEach(counts);
    if (purgeFinished.hasSubscribers) {
      const durationMs = performance.now() - startedAt;
      purgeFinished.publish({ outcome, durationMs, removed: counts });
    }
    return outcome;
  };
  /** Fills in the counts as far as it comes. */
  const purgeEach = async (counts: Record<string, number>): Promise<JobOutcome> => {
    try {
      const caller = { account: 'group-api', requestId: randomUUID() };
      for (const [name, purgeBatch] of Object.entries(batches))
        counts[name] = await repeat(() => purgeBatch(caller));
      if (Object.values(counts).some((count) => count > 0)) log.info(counts, 'purged expired rows');
      return 'done';
    } catch (error) {
      // Retried in a minute. The connection watchdog logs an unavailable database.
      const outcome = toJobOutcome(error);
      if (outcome === 'blocked')
        log.warn(
          { reason: (error as Error).message },
          'the purge of expired rows was blocked, and is retried',
        );
      else if (outcome === 'failed') log.error({ err: error }, 'the purge of expired rows failed');
      return outcome;
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
    running ??= (tracer ? tracer.runJob('purge', purge) : purge()).finally(() => (running = undefined));
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

/** Returns the outcome of a job that has failed with an error. */
export function toJobOutcome(error: unknown): JobOutcome {
  if (isRolledBackByConflict(error) || isTimeLimit(error)) return 'blocked';
  return error instanceof AppError ? 'unavailable' : 'failed';
}
