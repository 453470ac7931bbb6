import { randomUUID } from 'node:crypto';
import type { CallRecorder } from './audit/call-recorder.ts';
import { AppError } from './errors.ts';
import type { DeletedGroupRepository } from './groups/deleted-group-repository.ts';
import type { Logger } from './log.ts';

const intervalMs = 60_000;

/**
 * Removes, every minute, what has had its time: deleted groups after their retention, and idempotency keys after theirs.
 * Several servers on one database may do so side by side.
 */
export function startHousekeeping(
  { deletedGroups, recorder }: { deletedGroups: DeletedGroupRepository; recorder: CallRecorder },
  log: Logger,
): { stop(): Promise<void> } {
  let running: Promise<void> | undefined;
  const stopping = new AbortController();

  const clean = async () => {
    try {
      const caller = { account: 'group-api', requestId: randomUUID() };
      let purged = 0;
      for (let count = -1; count !== 0 && !stopping.signal.aborted; purged += count) {
        count = await deletedGroups.purgeExpired(caller);
      }
      const keys = await recorder.removeExpiredKeys();
      if (purged + keys > 0) log.info({ purged, keys }, 'removed what has had its time');
    } catch (error) {
      // It is tried again in a minute; a database that is away is told of elsewhere.
      if (!(error instanceof AppError)) log.error({ err: error }, 'housekeeping failed');
    }
  };
  const tick = () => {
    running ??= clean().finally(() => (running = undefined));
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
