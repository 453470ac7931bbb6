import { insertPurgeEvents } from '../mutations/audit-log.ts';
import type { MutationRunner } from '../mutations/mutation-runner.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import { parseIsoDate, parsePageSize, parsePositiveInteger } from '../validation/input-parsers.ts';
import { formatCursor, parseCursor } from '../validation/cursor.ts';
import { countLimit, toTotalCount, type TotalCount } from '../validation/total-count.ts';
import { isPrismaError, recordNotFound } from '../database/prisma-error.ts';
import type { RowJson } from '../database/row-json.ts';
import { AppError } from '../errors.ts';
import type { DeletedGroup as DeletedGroupRow, PrismaClient } from '../generated/prisma/client.ts';
import { addGroupDetails } from './group-details.ts';
import { parseGroupRow, type Group } from './group.ts';

/** A deleted group, which can be restored until `purgeAt`. */
export type DeletedGroup = Omit<DeletedGroupRow, 'groupRow'> & {
  readonly group: Group;
  /** Only in the result of a purge, which removes what it was counted from. */
  readonly subscribersToReturn?: number;
};

/** When and by whom a group was deleted, and until when it can be restored. */
export type ArchivedDeletion = Pick<DeletedGroup, 'id' | 'deletedAt' | 'deletedBy' | 'purgeAt'>;

/** A page of deleted groups: at most `first`, after the position `after`. */
type DeletedGroupPage = {
  readonly first: number;
  readonly after: { readonly deletedAt: Date; readonly id: number } | undefined;
};

export type DeletedGroupRepository = ReturnType<typeof createDeletedGroupRepository>;

/** The maximum number of groups per purge, which limits the number of its locks. */
const purgeBatchSize = 1000;

/** The archive of deleted groups. */
export function createDeletedGroupRepository(prisma: PrismaClient, mutations: MutationRunner) {
  return {
    /** @throws AppError NOT_FOUND */
    async get(id: number): Promise<DeletedGroup> {
      const row = await prisma.deletedGroup.findFirst({ where: { id, ...notExpired() } });
      if (!row) throw deletedGroupNotFound(id);
      return toDeletedGroup(row);
    },

    /** Returns when and by whom groups were deleted, and until when they can be restored; only those in the archive. */
    async findDeletions(ids: readonly number[]): Promise<ArchivedDeletion[]> {
      return prisma.$queryRaw`
        SELECT id, deleted_at AS "deletedAt", deleted_by AS "deletedBy", purge_at AS "purgeAt" FROM deleted_groups
        WHERE id = ANY (${ids}::int[]) AND purge_at > now()`;
    },

    /** Returns one page, latest first. */
    async list({ first, after }: DeletedGroupPage): Promise<{ nodes: DeletedGroup[]; hasNextPage: boolean }> {
      const rows = await prisma.deletedGroup.findMany({
        where: {
          ...notExpired(),
          ...(after && {
            deletedAt: { lte: after.deletedAt },
            OR: [
              { deletedAt: { lt: after.deletedAt } },
              { deletedAt: after.deletedAt, id: { lt: after.id } },
            ],
          }),
        },
        orderBy: [{ deletedAt: 'desc' }, { id: 'desc' }],
        take: first + 1,
      });
      return { nodes: rows.slice(0, first).map(toDeletedGroup), hasNextPage: rows.length > first };
    },

    /** Counts the deleted groups that can be restored. */
    async count(): Promise<TotalCount> {
      const [counted] = await prisma.$queryRaw<{ count: number }[]>`
        SELECT count(*)::int AS count
        FROM (SELECT FROM deleted_groups WHERE purge_at > now() LIMIT ${countLimit}) AS counted`;
      return toTotalCount(counted!.count);
    },

    /**
     * Returns the numbers of subscribers that a restore would move back now, in the order of the ids, with one query:
     * those that the delete moved and that are still active on the other group.
     */
    async countReturning(ids: readonly number[]): Promise<number[]> {
      return countReturning(prisma, ids);
    },

    /** Permanently removes a group from the archive. @throws AppError NOT_FOUND */
    async purge(id: number, call: MutationCall): Promise<DeletedGroup> {
      const purged = await mutations.run(call, async (transaction) => {
        try {
          const [subscribersToReturn] = await countReturning(transaction, [id]);
          const row = await transaction.deletedGroup.delete({ where: { id } });
          const before = row.groupRow as RowJson;
          const groupRow = await addGroupDetails(transaction, before, call.selectedDetails);
          return { result: { ...row, groupRow, subscribersToReturn: subscribersToReturn! }, before };
        } catch (error) {
          throw isPrismaError(error, recordNotFound) ? deletedGroupNotFound(id) : error;
        }
      });
      return toDeletedGroup(purged);
    },

    /**
     * Purges expired groups, with an audit event for each, and returns their number. Safe to run concurrently on
     * several servers (SKIP LOCKED).
     */
    async purgeExpired(caller: { account: string; requestId: string }): Promise<number> {
      const count = await prisma.$executeRaw`
        WITH expired AS (
          SELECT id FROM deleted_groups WHERE purge_at <= now() ORDER BY purge_at LIMIT ${purgeBatchSize} FOR UPDATE SKIP LOCKED
        ),
        purged AS (DELETE FROM deleted_groups USING expired WHERE deleted_groups.id = expired.id RETURNING deleted_groups.*)
        ${insertPurgeEvents(caller, 'purgeDeletedGroup')}`;
      if (count > 0) mutations.commits.emit('commit', 'purgeDeletedGroup');
      return count;
    },
  };
}

/** Parses the arguments of `deletedGroups`. @throws AppError BAD_USER_INPUT */
export function parseDeletedGroupPage(args: { first?: unknown; after?: string | null }): DeletedGroupPage {
  const first = parsePageSize(args.first);
  if (args.after == null) return { first, after: undefined };
  const [deletedAt, id] = parseCursor(args.after, [parseIsoDate, parsePositiveInteger]);
  return { first, after: { deletedAt: new Date(deletedAt), id } };
}

/** Returns the cursor of a deleted group. */
export function formatDeletedGroupCursor({ deletedAt, id }: DeletedGroup): string {
  return formatCursor([deletedAt.toISOString(), id]);
}

/** Expired groups count as removed even before they are purged. */
function notExpired() {
  return { purgeAt: { gt: new Date() } };
}

async function countReturning(
  client: Pick<PrismaClient, '$queryRaw'>,
  ids: readonly number[],
): Promise<number[]> {
  const rows = await client.$queryRaw<{ id: number; count: number }[]>`
    SELECT archived.id, count(*)::int FROM deleted_groups AS archived
    JOIN moved_subscribers AS moved ON moved.deleted_group_id = archived.id
    JOIN subscribers ON subscribers.group_id = archived.moved_to AND subscribers.username = moved.username
      AND subscribers.starts_at = moved.starts_at AND is_active(subscribers.expires_at)
    WHERE archived.id = ANY (${ids}::int[]) GROUP BY archived.id`;
  const counts = new Map(rows.map(({ id, count }) => [id, count]));
  return ids.map((id) => counts.get(id) ?? 0);
}

function toDeletedGroup({
  groupRow,
  ...row
}: Omit<DeletedGroup, 'group'> & { readonly groupRow: unknown }): DeletedGroup {
  return {
    ...row,
    // Dates are strings in the stored response of a repeated call.
    deletedAt: new Date(row.deletedAt),
    purgeAt: new Date(row.purgeAt),
    group: parseGroupRow(groupRow as RowJson),
  };
}

export function deletedGroupNotFound(id: number): AppError {
  const message = `Deleted group not found: group ${id} is not in the archive. deletedGroups lists its groups`;
  return new AppError('NOT_FOUND', message, { id });
}
