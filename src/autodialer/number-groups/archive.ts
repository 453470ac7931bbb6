import { insertPurgeEvents } from '../../mutations/audit-log.ts';
import type { MutationRunner } from '../../mutations/mutation-runner.ts';
import type { MutationCall } from '../../mutations/mutation-call.ts';
import type { RowJson } from '../../database/row-json.ts';
import { AppError } from '../../errors.ts';
import type { PrismaClient } from '../../generated/prisma/client.ts';
import { readNumberGroupRow, type NumberGroup } from './number-group.ts';

/** A number group that was removed and can be restored until `purgeAt`. */
export type DeletedNumberGroup = NumberGroup & {
  readonly deletedAt: Date;
  readonly deletedBy: string;
  readonly purgeAt: Date;
};

/** The maximum number of groups of one purge. */
const purgeBatchSize = 1000;

/** The archive of removed number groups. */
export function createDeletedNumberGroupRepository(prisma: PrismaClient, mutations: MutationRunner) {
  return {
    /** Returns the most recently removed groups, latest first. */
    async deletedNumberGroups(limit: number): Promise<DeletedNumberGroup[]> {
      const rows = await prisma.deletedNumberGroup.findMany({
        where: { purgeAt: { gt: new Date() } },
        orderBy: { deletedAt: 'desc' },
        take: limit,
      });
      return rows.map(({ groupRow, deletedAt, deletedBy, purgeAt }) => ({
        ...readNumberGroupRow(groupRow as RowJson),
        deletedAt,
        deletedBy,
        purgeAt,
      }));
    },

    /**
     * Restores a group with the same id, fields and numbers.
     * @throws AppError NOT_FOUND; ALREADY_EXISTS if the group exists.
     */
    async restoreNumberGroup(id: string, call: MutationCall): Promise<NumberGroup> {
      const row = await mutations.run(call, async (transaction) => {
        const [restored] = await transaction.$queryRaw<{ row: RowJson }[]>`
          WITH archived AS (DELETE FROM deleted_number_groups WHERE id = ${id} AND purge_at > now() RETURNING group_row)
          SELECT number_group_row(insert_row(NULL::number_groups, group_row)) AS row FROM archived`;
        if (restored) return { result: restored.row, after: restored.row };
        if (await transaction.numberGroup.findUnique({ where: { id }, select: { id: true } })) {
          throw new AppError('ALREADY_EXISTS', `The number group ${id} exists: it is not removed`);
        }
        throw new AppError('NOT_FOUND', `There is no removed number group ${id}`);
      });
      return readNumberGroupRow(row);
    },
  };
}

/**
 * Purges a batch of expired groups, with an audit event for each, and returns their number. `removeUnusedLists` removes
 * their lists later.
 */
export async function purgeExpiredNumberGroups(
  prisma: PrismaClient,
  caller: { readonly account: string; readonly requestId: string },
): Promise<number> {
  return prisma.$executeRaw`
    WITH expired AS (
      SELECT id FROM deleted_number_groups WHERE purge_at <= now() ORDER BY purge_at LIMIT ${purgeBatchSize} FOR UPDATE SKIP LOCKED
    ),
    purged AS (
      DELETE FROM deleted_number_groups USING expired WHERE deleted_number_groups.id = expired.id
      RETURNING deleted_number_groups.*
    ),
    released AS (UPDATE number_lists SET unused_since = now() FROM purged WHERE number_lists.id = purged.list_id)
    ${insertPurgeEvents(caller, 'autodialer/groups/purge')}`;
}
