import { camelCaseKeys, formatPrice, parseTimestamp, type RowJson } from '../database/row-json.ts';
import type { AuditEvent as AuditEventRow, Prisma, PrismaClient } from '../generated/prisma/client.ts';
import type { AuditSearch } from './audit-event-search.ts';
import { preparePage, writeAuditCountStatement, writeAuditPageStatement } from './audit-event-statements.ts';

/** An audit event, whose rows have the field names of the API. */
export type AuditEvent = AuditEventRow;

export type AuditRepository = ReturnType<typeof createAuditRepository>;

/** The audit log, read-only. */
export function createAuditRepository(prisma: PrismaClient) {
  return {
    /** Returns one page, latest first. */
    async search(search: AuditSearch): Promise<{ nodes: AuditEvent[]; hasNextPage: boolean }> {
      const [, rows] = await prisma.$transaction([
        prisma.$queryRaw(preparePage),
        prisma.$queryRaw<{ id: bigint; row: RowJson }[]>(writeAuditPageStatement(search)),
      ]);
      return {
        nodes: rows.slice(0, search.first).map(parseAuditEvent),
        hasNextPage: rows.length > search.first,
      };
    },

    /** Counts the events on all pages of a search. */
    async count(search: Pick<AuditSearch, 'filter'>): Promise<number> {
      const [counted] = await prisma.$queryRaw<{ count: number }[]>(writeAuditCountStatement(search));
      return counted!.count;
    },

    /**
     * Summarizes the new blocks in the BRIN index of the times; a search by `from` or `to` has to read all blocks that
     * are not summarized. Autovacuum also does this, but rarely. Has no effect if the role does not own the index.
     */
    async summarizeTimes(): Promise<void> {
      await prisma.$queryRaw`
        SELECT brin_summarize_new_values(oid)::int FROM pg_class
        WHERE oid = to_regclass('audit_events_at_id_idx') AND pg_has_role(relowner, 'USAGE')`;
    },
  };
}

/** Parses an event from its row as JSON, except for the id, which may exceed the range of a JSON number. */
function parseAuditEvent({ id, row }: { id: bigint; row: RowJson }): AuditEvent {
  const { before, after, ...columns } = row;
  const event = camelCaseKeys(columns) as AuditEventRow;
  return {
    ...event,
    id,
    at: parseTimestamp(row['at'] as string),
    // Prisma does not declare lists NOT NULL.
    targetIds: event.targetIds ?? [],
    before: toApiRow(before),
    after: toApiRow(after),
  };
}

/** Converts a row to the names, dates and prices of the API. */
function toApiRow(json: unknown): Prisma.JsonValue {
  const convert = (key: string, value: unknown) => {
    if (typeof value !== 'string') return value;
    if (key === 'price') return formatPrice(value);
    if (!key.endsWith('At')) return value;
    const date = parseTimestamp(value);
    return Number.isNaN(date.getTime()) ? value : date.toISOString();
  };
  return JSON.parse(JSON.stringify(camelCaseKeys(json) ?? null), convert) as Prisma.JsonValue;
}
