import { camelCaseKeys } from '../database/row-json.ts';
import { parseTimestamp } from '../database/timestamp.ts';
import type { AuditEvent as AuditEventRow, Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { formatPrice } from '../groups/group.ts';
import type { AuditSearch } from './audit-search.ts';

/** One entry of the audit, with the names of the API in its rows. */
export type AuditEvent = AuditEventRow;

export type AuditRepository = ReturnType<typeof createAuditRepository>;

/** What was done, and by whom, to be read only. */
export function createAuditRepository(prisma: PrismaClient) {
  return {
    /** One page, the latest first. */
    async auditEvents(search: AuditSearch): Promise<{ nodes: AuditEvent[]; hasNextPage: boolean }> {
      const behind = search.after === undefined ? {} : { id: { lt: search.after } };
      const rows = await prisma.auditEvent.findMany({
        where: { AND: [await whereFilter(prisma, search), behind] },
        orderBy: { id: 'desc' },
        take: search.first + 1,
      });
      return {
        nodes: rows.slice(0, search.first).map(toAuditEvent),
        hasNextPage: rows.length > search.first,
      };
    },

    async countAuditEvents(search: AuditSearch): Promise<number> {
      return prisma.auditEvent.count({ where: await whereFilter(prisma, search) });
    },
  };
}

async function whereFilter(
  prisma: PrismaClient,
  { filter }: AuditSearch,
): Promise<Prisma.AuditEventWhereInput> {
  const { from, to, targetId, ...equal } = filter;
  return {
    ...equal,
    // A target has few entries. Looked up first, since PostgreSQL would rather go through all entries in the order of the
    // page than use the index of the targets.
    ...(targetId !== undefined && { id: { in: await findIdsByTarget(prisma, targetId) } }),
    ...((from !== undefined || to !== undefined) && {
      at: { ...(from !== undefined && { gte: from }), ...(to !== undefined && { lt: to }) },
    }),
  };
}

async function findIdsByTarget(prisma: PrismaClient, targetId: string): Promise<bigint[]> {
  const rows = await prisma.$queryRaw<{ id: bigint }[]>`
    SELECT id FROM audit_events WHERE target_ids @> ARRAY[${targetId}]`;
  return rows.map(({ id }) => id);
}

function toAuditEvent(row: AuditEventRow): AuditEvent {
  return { ...row, before: describeRow(row.before), after: describeRow(row.after) };
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
