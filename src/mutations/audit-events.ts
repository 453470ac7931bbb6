import { camelCaseKeys, formatPrice, parseTimestamp, type RowJson } from '../database/row-json.ts';
import type { AuditEvent as AuditEventRow, Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { toTotalCount, type TotalCount } from '../validation/total-count.ts';
import type { AuditFilter, AuditSearch } from './audit-event-search.ts';
import {
  writeAuditCountStatement,
  writeFollowStartStatement,
  writeNewEventsStatement,
} from './audit-event-statements.ts';
import { preparePage, writeAuditPageStatement } from './audit-page-statement.ts';
import { writeMonthsStatement, type MonthRow } from './audit-time-statements.ts';

/** An audit event, whose rows have the field names of the API. */
export type AuditEvent = AuditEventRow;

export type AuditRepository = ReturnType<typeof createAuditRepository>;

/** The audit log, read-only. */
export function createAuditRepository(prisma: PrismaClient) {
  return {
    /** Returns one page, latest first. */
    async search(search: AuditSearch): Promise<{ nodes: AuditEvent[]; hasNextPage: boolean }> {
      const { from, to } = search.filter;
      const months =
        from || to ? await prisma.$queryRaw<MonthRow[]>(writeMonthsStatement(search.filter)) : [];
      const [, rows] = await prisma.$transaction([
        prisma.$queryRaw(preparePage),
        prisma.$queryRaw<{ id: bigint; row: RowJson }[]>(writeAuditPageStatement(search, months)),
      ]);
      return {
        nodes: rows.slice(0, search.first).map(parseAuditEvent),
        hasNextPage: rows.length > search.first,
      };
    },

    /** Counts the events on all pages of a search. */
    async count(search: Pick<AuditSearch, 'filter'>): Promise<TotalCount> {
      const [counted] = await prisma.$queryRaw<{ count: number }[]>(writeAuditCountStatement(search));
      return toTotalCount(counted!.count);
    },

    /**
     * Returns the id after which to follow the log: that of the newest event, or that before the first event since a
     * time. `missing` are the ids before it, among the last `window`, whose events may be committed later.
     */
    async findFollowStart(
      since: Date | undefined,
      window: number,
    ): Promise<{ after: bigint; missing: bigint[] }> {
      const [start] = await prisma.$queryRaw<{ after: bigint; missing: string[] }[]>(
        writeFollowStartStatement(since, window),
      );
      return { after: start!.after, missing: start!.missing.map(BigInt) };
    },

    /**
     * Returns the first `limit` events after an id, and those of `missing` that exist by now, oldest first; an event
     * that does not match the filter as its id only.
     */
    async listNew(
      filter: AuditFilter,
      { after, missing, limit }: { after: bigint; missing: readonly bigint[]; limit: number },
    ): Promise<{ id: bigint; event: AuditEvent | undefined }[]> {
      const rows = await prisma.$queryRaw<{ id: bigint; row: RowJson | null }[]>(
        writeNewEventsStatement(filter, after, missing, limit),
      );
      return rows.map(({ id, row }) => ({ id, event: row ? parseAuditEvent({ id, row }) : undefined }));
    },

    /**
     * Summarizes the new blocks in the BRIN indexes of the times; a search by `from` or `to` has to read all blocks
     * that are not summarized. Autovacuum also does this, but rarely. The database function has the rights of the
     * indexes' owner, so that the server's role needs none.
     */
    async summarizeTimes(): Promise<void> {
      await prisma.$queryRaw`SELECT summarize_audit_times('audit_events')`;
    },
  };
}

/** Parses an event from its row as JSON, except for the id, which may exceed the range of a JSON number. */
export function parseAuditEvent({ id, row }: { id: bigint; row: RowJson }): AuditEvent {
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
