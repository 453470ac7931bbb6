import { randomUUID } from 'node:crypto';
import type { AuditRepository } from '../mutations/audit-events.ts';
import type { MutationRunner } from '../mutations/mutation-runner.ts';
import { AppError } from '../errors.ts';
import type { DeletedGroupRepository } from '../groups/archive.ts';
import type { Logger } from '../log.ts';
import type { DeletedNumberGroupRepository } from '../autodialer/number-groups/archive.ts';
import type { NumberListRepository } from '../autodialer/number-groups/number-list-repository.ts';

/** Where things have their time. */
type Repositories = {
  readonly audit: AuditRepository;
  readonly deletedGroups: DeletedGroupRepository;
  readonly deletedNumberGroups: DeletedNumberGroupRepository;
  readonly numberLists: NumberListRepository;
  readonly mutations: MutationRunner;
};

const intervalMs = 60_000;

/**
 * Removes, every minute, what has had its time: deleted groups of both kinds after their retention, lists of numbers that nobody holds,
 * and idempotency keys. Keeps the index of the audit's times up to date too.
 * Several servers on one database may do so side by side.
 */
export function startHousekeeping(
  { audit, deletedGroups, deletedNumberGroups, numberLists: lists, mutations }: Repositories,
  log: Logger,
): { stop(): Promise<void> } {
  let running: Promise<void> | undefined;
  const stopping = new AbortController();

  const clean = async () => {
    try {
      const caller = { account: 'group-api', requestId: randomUUID() };
      const purged = await repeat(() => deletedGroups.purgeExpired(caller));
      const purgedNumberGroups = await repeat(() => deletedNumberGroups.purgeExpired(caller));
      const numberLists = await repeat(() => lists.removeUnused());
      const keys = await mutations.deleteExpiredKeys();
      await audit.summarizeTimes();
      if (purged + purgedNumberGroups + numberLists + keys > 0) {
        log.info({ purged, purgedNumberGroups, numberLists, keys }, 'removed what has had its time');
      }
    } catch (error) {
      // It is tried again in a minute; a database that is away is told of elsewhere.
      if (!(error instanceof AppError)) log.error({ err: error }, 'housekeeping failed');
    }
  };
  /** Takes one batch after the other, until there is nothing left. */
  const repeat = async (removeBatch: () => Promise<number>) => {
    let removed = 0;
    for (let count = -1; count !== 0 && !stopping.signal.aborted; removed += count)
      count = await removeBatch();
    return removed;
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
