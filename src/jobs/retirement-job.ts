import { AppError } from '../errors.ts';
import type { RetiredGroupDeletion } from '../group-deletion/delete-retired-groups.ts';
import type { Logger } from '../log.ts';
import { retirementFinished, type JobOutcome } from '../measurements/channels.ts';
import { toJobOutcome } from './purge-expired.ts';

/** How often retired groups are examined: a group is deleted within this time after its date, on an idle server. */
const intervalMs = 2000;
/** After failures, the interval is doubled up to this. */
const maxIntervalMs = 60_000;

/**
 * Deletes retired groups that are due, batch by batch, until the job is stopped: every two seconds, with one query if
 * none is due. Several servers may run it concurrently on one database. A stop waits for the running delete only.
 */
export function startRetirementJob(
  deleteBatch: RetiredGroupDeletion,
  log: Logger,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  let timer: NodeJS.Timeout | undefined;
  let failures = 0;

  const deleteDue = async () => {
    let count = 0;
    const onDeleted = () => void count++;
    let outcome: JobOutcome = 'done';
    try {
      while ((await deleteBatch({ signal, onDeleted })) && !signal.aborted);
      failures = 0;
    } catch (error) {
      failures++;
      outcome = toJobOutcome(error);
      // The connection watchdog logs an unavailable database.
      if (!(error instanceof AppError)) log.error({ err: error }, 'the delete of retired groups failed');
    }
    if (retirementFinished.hasSubscribers) retirementFinished.publish({ outcome, deleted: count });
    if (count > 0) log.info({ count }, 'deleted retired groups');
    if (!signal.aborted) timer = setTimeout(run, Math.min(intervalMs * 2 ** failures, maxIntervalMs));
  };
  let running = deleteDue();
  function run() {
    running = deleteDue();
  }

  return {
    async stop() {
      stopping.abort();
      clearTimeout(timer);
      await running;
    },
  };
}
