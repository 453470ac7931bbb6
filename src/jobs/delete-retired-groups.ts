import { isRolledBackByConflict } from '../database/conflict.ts';
import { AppError } from '../errors.ts';
import type { Logger } from '../log.ts';

/** Deletes one batch of the retired groups that are due. If the batch was full, more of them may be due. */
type DeleteBatch = () => Promise<{ readonly deleted: number; readonly isFull: boolean }>;

/** How often retired groups are examined: a group is deleted within this time after its date, on an idle server. */
const intervalMs = 2000;
/** After failures, the interval is doubled up to this. */
const maxIntervalMs = 60_000;

/**
 * Deletes retired groups that are due, batch by batch, until the job is stopped: every two seconds, with one query if
 * none is due. Several servers may run it concurrently on one database.
 */
export function startRetirementJob(deleteBatch: DeleteBatch, log: Logger): { stop(): Promise<void> } {
  let isStopping = false;
  let timer: NodeJS.Timeout | undefined;
  let failures = 0;

  const deleteDue = async () => {
    try {
      let total = 0;
      for (;;) {
        const { deleted, isFull } = await deleteBatch();
        total += deleted;
        // A full batch of groups that could not be deleted is not repeated at once.
        if (!isFull || deleted === 0 || isStopping) break;
      }
      failures = 0;
      if (total > 0) log.info({ count: total }, 'deleted retired groups');
    } catch (error) {
      failures++;
      // The connection watchdog logs an unavailable database.
      if (isRolledBackByConflict(error))
        log.warn(
          { reason: (error as Error).message },
          'the delete of retired groups was blocked, and is retried',
        );
      else if (!(error instanceof AppError)) log.error({ err: error }, 'the delete of retired groups failed');
    }
    if (!isStopping) timer = setTimeout(run, Math.min(intervalMs * 2 ** failures, maxIntervalMs));
  };
  let running = deleteDue();
  function run() {
    running = deleteDue();
  }

  return {
    async stop() {
      isStopping = true;
      clearTimeout(timer);
      await running;
    },
  };
}
