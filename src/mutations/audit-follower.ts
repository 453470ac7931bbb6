import type { AuditFilter } from './audit-event-search.ts';
import type { AuditEvent, AuditRepository } from './audit-events.ts';

/** Returns the audit events in the order in which they become visible, each of them once. */
type AuditFollower = {
  /** Returns the new events that match the filter, and whether more follow immediately. */
  next(): Promise<{ events: AuditEvent[]; hasMore: boolean }>;
};

const batchSize = 500;
/**
 * The ids before the start that are checked for events whose transactions were not committed yet. An id is assigned by
 * one of the last statements of a transaction, so that few ids are assigned between it and the commit.
 */
const startWindow = 1000;
const maxSkipped = 10_000n;
/** A transaction commits within this time, or never: as long as the mutation runner lets it run. */
const maxCommitMs = 15 * 60 * 1000;

/**
 * Follows the audit log from now on, or from the first event since `filter.from`. Ids grow in the order in which events
 * are written, but a lower one may be committed later: an id that is skipped is looked for again until no transaction
 * can have it any more.
 */
export async function followAuditLog(audit: AuditRepository, filter: AuditFilter): Promise<AuditFollower> {
  const start = await audit.findFollowStart(filter.from, startWindow);
  let { after } = start;
  /** The ids without an event so far, and when each was found missing. */
  const missing = new Map(start.missing.map((id) => [id, Date.now()]));
  return {
    async next() {
      const now = Date.now();
      for (const [id, since] of missing) if (now - since > maxCommitMs) missing.delete(id);
      const rows = await audit.listNew(filter, { after, missing: [...missing.keys()], limit: batchSize });
      let newCount = 0;
      for (const { id } of rows) {
        if (missing.delete(id)) continue;
        // Fewer than `maxSkipped`, unless the sequence was changed by hand.
        const firstSkipped = after + maxSkipped < id ? id - maxSkipped : after + 1n;
        for (let skipped = firstSkipped; skipped < id; skipped++) missing.set(skipped, now);
        after = id;
        newCount++;
      }
      return { events: rows.flatMap(({ event }) => event ?? []), hasMore: newCount === batchSize };
    },
  };
}
