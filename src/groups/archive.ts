import type { MutationRunner } from '../mutations/mutation-runner.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import { parseIsoDate, parsePageSize, parsePositiveInteger } from '../validation/input-parsers.ts';
import { formatCursor, parseCursor } from '../validation/cursor.ts';
import { isPrismaError, recordNotFound } from '../database/prisma-error.ts';
import type { RowJson } from '../database/row-json.ts';
import { AppError } from '../errors.ts';
import type { DeletedGroup as DeletedGroupRow, PrismaClient } from '../generated/prisma/client.ts';
import { addGroupDetails } from './group-details.ts';
import { parseGroupRow, type Group } from './group.ts';

/** A deleted group, which can be restored until `purgeAt`. */
export type DeletedGroup = Omit<DeletedGroupRow, 'groupRow'> & { readonly group: Group };

/** When and by whom a group was deleted, and until when it can be restored. */
export type ArchivedDeletion = Pick<DeletedGroup, 'id' | 'deletedAt' | 'deletedBy' | 'purgeAt'>;

/** A page of deleted groups: at most `first`, after the position `after`. */
type DeletedGroupPage = {
  readonly first: number;
  readonly after: { readonly deletedAt: Date; readonly id: number } | undefined;
};

export type DeletedGroupRepository = ReturnType<typeof createDeletedGroupRepository>;

/** The maximum number of groups per purge, which limits the locks that it holds. */
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

    async count(): Promise<number> {
      return prisma.deletedGroup.count({ where: notExpired() });
    },

    /**
     * Restores a group with the same id and fields, but without its service group if that has been deleted too.
     * @throws AppError NOT_FOUND; ALREADY_EXISTS if the group is not deleted
     */
    async restore(id: number, call: MutationCall): Promise<Group> {
      const row = await mutations.run(call, async (transaction) => {
        const [restored] = await transaction.$queryRaw<{ row: RowJson }[]>`
          WITH archived AS (DELETE FROM deleted_groups WHERE id = ${id} AND purge_at > now() RETURNING group_row)
          SELECT group_row(insert_row(NULL::groups, group_row || jsonb_build_object('service_group_id',
            (SELECT id FROM service_groups WHERE id = (group_row ->> 'service_group_id')::int)))) AS row
          FROM archived`;
        if (restored) {
          const result = await addGroupDetails(transaction, restored.row, call.selectedDetails);
          return { result, after: restored.row };
        }
        if (await transaction.group.findUnique({ where: { id }, select: { id: true } })) {
          throw new AppError('ALREADY_EXISTS', `Group ${id} exists: it is not deleted`, { id });
        }
        throw deletedGroupNotFound(id);
      });
      return parseGroupRow(row);
    },

    /** Permanently removes a group from the archive. @throws AppError NOT_FOUND */
    async purge(id: number, call: MutationCall): Promise<DeletedGroup> {
      const purged = await mutations.run(call, async (transaction) => {
        try {
          const row = await transaction.deletedGroup.delete({ where: { id } });
          const before = row.groupRow as RowJson;
          const groupRow = await addGroupDetails(transaction, before, call.selectedDetails);
          return { result: { ...row, groupRow }, before };
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
      const { account, requestId } = caller;
      return prisma.$executeRaw`
        WITH expired AS (
          SELECT id FROM deleted_groups WHERE purge_at <= now() ORDER BY purge_at LIMIT ${purgeBatchSize} FOR UPDATE SKIP LOCKED
        ),
        purged AS (DELETE FROM deleted_groups USING expired WHERE deleted_groups.id = expired.id RETURNING deleted_groups.*)
        INSERT INTO audit_events (account, credential, address, request_id, operation, target_ids, outcome, before)
        SELECT ${account}, 'none', 'local', ${requestId}, 'purgeDeletedGroup', ARRAY[id::text], 'done', group_row FROM purged`;
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

function toDeletedGroup({
  groupRow,
  ...row
}: Omit<DeletedGroupRow, 'groupRow'> & { groupRow: unknown }): DeletedGroup {
  return {
    ...row,
    // Dates are strings in the stored response of a repeated call.
    deletedAt: new Date(row.deletedAt),
    purgeAt: new Date(row.purgeAt),
    group: parseGroupRow(groupRow as RowJson),
  };
}

function deletedGroupNotFound(id: number): AppError {
  const message = `Deleted group not found: group ${id} is not in the archive. deletedGroups lists its groups`;
  return new AppError('NOT_FOUND', message, { id });
}
