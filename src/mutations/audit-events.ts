import { parseTimestamp } from '../database/timestamp.ts';
import { camelCaseKeys, type RowJson } from '../database/row-json.ts';
import type { AuditEvent as AuditEventRow, Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { formatPrice } from '../groups/group.ts';
import type { AuditSearch } from './audit-event-search.ts';
import { preparePage, writeAuditCountStatement, writeAuditPageStatement } from './audit-event-statements.ts';

/** One entry of the audit, with the names of the API in its rows. */
export type AuditEvent = AuditEventRow;

export type AuditRepository = ReturnType<typeof createAuditRepository>;

/** What was done, and by whom, to be read only. */
export function createAuditRepository(prisma: PrismaClient) {
  return {
    /** One page, the latest first. */
    async auditEvents(search: AuditSearch): Promise<{ nodes: AuditEvent[]; hasNextPage: boolean }> {
      const [, rows] = await prisma.$transaction([
        prisma.$queryRaw(preparePage),
        prisma.$queryRaw<{ id: bigint; row: RowJson }[]>(writeAuditPageStatement(search)),
      ]);
      return {
        nodes: rows.slice(0, search.first).map(parseAuditEvent),
        hasNextPage: rows.length > search.first,
      };
    },

    /** Counts the entries on all pages of a search. */
    async countAuditEvents(search: Pick<AuditSearch, 'filter'>): Promise<number> {
      const [counted] = await prisma.$queryRaw<{ count: number }[]>(writeAuditCountStatement(search));
      return counted!.count;
    },

    /**
     * Has the BRIN index of the times summarize the blocks that were written since the last time, without which a page by `from`
     * or `to` reads all of these. Autovacuum does so too, but seldom. Does nothing as a role that does not own the index.
     */
    async summarizeTimes(): Promise<void> {
      await prisma.$queryRaw`
        SELECT brin_summarize_new_values(oid)::int FROM pg_class
        WHERE oid = to_regclass('audit_events_at_id_idx') AND pg_has_role(relowner, 'USAGE')`;
    },
  };
}

/** Reads an entry from its row as JSON, whose id may be beyond what a number can hold. */
function parseAuditEvent({ id, row }: { id: bigint; row: RowJson }): AuditEvent {
  const { before, after, ...columns } = row;
  const event = camelCaseKeys(columns) as AuditEventRow;
  return {
    ...event,
    id,
    at: parseTimestamp(row['at'] as string),
    // Prisma makes no list NOT NULL.
    targetIds: event.targetIds ?? [],
    before: describeRow(before),
    after: describeRow(after),
  };
}

/** Shows a row as the API shows it elsewhere: the names, the dates and the price. */
function describeRow(json: unknown): Prisma.JsonValue {
  const describe = (key: string, value: unknown) => {
    if (typeof value !== 'string') return value;
    if (key === 'price') return formatPrice(value);
    if (!key.endsWith('At')) return value;
    const date = parseTimestamp(value);
    return Number.isNaN(date.getTime()) ? value : date.toISOString();
  };
  return JSON.parse(JSON.stringify(camelCaseKeys(json) ?? null), describe) as Prisma.JsonValue;
}
