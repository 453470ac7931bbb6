import { randomUUID } from 'node:crypto';
import type { AuditRepository } from '../mutations/audit-events.ts';
import type { MutationRunner } from '../mutations/mutation-runner.ts';
import { AppError } from '../errors.ts';
import type { DeletedGroupRepository } from '../groups/archive.ts';
import type { Logger } from '../log.ts';
import type { DeletedNumberGroupRepository } from '../autodialer/number-groups/archive.ts';
import type { NumberListRepository } from '../autodialer/number-groups/number-list-repository.ts';

/** Repositories with expiring records. */
type Repositories = {
  readonly audit: AuditRepository;
  readonly deletedGroups: DeletedGroupRepository;
  readonly deletedNumberGroups: DeletedNumberGroupRepository;
  readonly numberLists: NumberListRepository;
  readonly mutations: MutationRunner;
};

const intervalMs = 60_000;

/**
 * Purges expired records every minute: deleted groups and number groups after their retention, unused number lists, and
 * idempotency keys. Also updates the index of audit timestamps. Safe to run concurrently in several servers.
 */
export function startPurging(
  { audit, deletedGroups, deletedNumberGroups, numberLists: lists, mutations }: Repositories,
  log: Logger,
): { stop(): Promise<void> } {
  let running: Promise<void> | undefined;
  const stopping = new AbortController();

  const purgeAll = async () => {
    try {
      const caller = { account: 'group-api', requestId: randomUUID() };
      const purged = await repeat(() => deletedGroups.purgeExpired(caller));
      const purgedNumberGroups = await repeat(() => deletedNumberGroups.purgeExpired(caller));
      const numberLists = await repeat(() => lists.removeUnused());
      const keys = await mutations.deleteExpiredKeys();
      await audit.summarizeTimes();
      if (purged + purgedNumberGroups + numberLists + keys > 0) {
        log.info({ purged, purgedNumberGroups, numberLists, keys }, 'purged expired records');
      }
    } catch (error) {
      // Retried in a minute. The connection watchdog logs an unavailable database.
      if (!(error instanceof AppError)) log.error({ err: error }, 'failed to purge expired records');
    }
  };
  /** Removes batches until nothing is left. */
  const repeat = async (removeBatch: () => Promise<number>) => {
    let removed = 0;
    for (let count = -1; count !== 0 && !stopping.signal.aborted; removed += count)
      count = await removeBatch();
    return removed;
  };
  const tick = () => {
    running ??= purgeAll().finally(() => (running = undefined));
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
