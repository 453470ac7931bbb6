import { camelCaseKeys } from '../database/row-json.ts';
import type { AuditEvent as AuditEventRow, Prisma, PrismaClient } from '../generated/prisma/client.ts';
import type { AuditSearch } from './audit-search.ts';

/** One entry of the audit, with the names of the API in its rows. */
export type AuditEvent = AuditEventRow;

export type AuditRepository = ReturnType<typeof createAuditRepository>;

/** What was done, and by whom, to be read only. */
export function createAuditRepository(prisma: PrismaClient) {
  return {
    /** One page, the latest first. */
    async auditEvents(search: AuditSearch): Promise<{ nodes: AuditEvent[]; hasNextPage: boolean }> {
      const rows = await prisma.auditEvent.findMany({
        where: { AND: [whereFilter(search), search.after === undefined ? {} : { id: { lt: search.after } }] },
        orderBy: { id: 'desc' },
        take: search.first + 1,
      });
      return {
        nodes: rows.slice(0, search.first).map(toAuditEvent),
        hasNextPage: rows.length > search.first,
      };
    },

    async countAuditEvents(search: AuditSearch): Promise<number> {
      return prisma.auditEvent.count({ where: whereFilter(search) });
    },
  };
}

function whereFilter({ filter }: AuditSearch): Prisma.AuditEventWhereInput {
  const { from, to, targetId, ...equal } = filter;
  return {
    ...equal,
    ...(targetId !== undefined && { targetIds: { has: targetId } }),
    ...((from !== undefined || to !== undefined) && {
      at: { ...(from !== undefined && { gte: from }), ...(to !== undefined && { lt: to }) },
    }),
  };
}

function toAuditEvent(row: AuditEventRow): AuditEvent {
  return {
    ...row,
    before: camelCaseKeys(row.before) as Prisma.JsonValue,
    after: camelCaseKeys(row.after) as Prisma.JsonValue,
  };
}
