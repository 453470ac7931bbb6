import type { RowJson } from '../database/row-json.ts';
import { AppError, badInput } from '../errors.ts';
import { deletedGroupNotFound } from '../groups/archive.ts';
import { addGroupDetails } from '../groups/group-details.ts';
import { lockGroups } from '../groups/group-locks.ts';
import { parseGroupId, parseGroupRow, type Group } from '../groups/group.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import type { MutationRunner, Transaction } from '../mutations/mutation-runner.ts';
import { moveSubscribersBack } from '../subscribers/move-subscribers.ts';

/** The parsed arguments of `restoreGroup`. */
type Restoration = { readonly id: number; readonly moveSubscribersBack: boolean };

export type GroupRestoration = ReturnType<typeof createGroupRestoration>;

/** Parses the arguments of `restoreGroup`. @throws AppError BAD_USER_INPUT */
export function parseRestoration(args: { id: unknown; moveSubscribersBack?: boolean | null }): Restoration {
  return { id: parseGroupId(args.id), moveSubscribersBack: args.moveSubscribersBack ?? false };
}

/** The undo of a delete. */
export function createGroupRestoration(mutations: MutationRunner) {
  return {
    /**
     * Restores a group with the same id and fields, but without its service group if that has been deleted too, and
     * without its retirement. With `moveSubscribersBack`, the subscribers that the delete moved and that are still
     * active on the other group come back with their dates, in the same transaction.
     * @throws AppError NOT_FOUND, also if the other group has been deleted; ALREADY_EXISTS if the group is not deleted;
     * BAD_USER_INPUT if the moved subscribers are unknown
     */
    async restoreGroup(restoration: Restoration, call: MutationCall): Promise<Group> {
      const { id } = restoration;
      const row = await mutations.run(call, async (transaction) => {
        const archived = await lockArchivedGroup(transaction, id);
        const origin = restoration.moveSubscribersBack ? requireKnownTarget(id, archived) : null;
        // Before any subscriber is written, as all writers do (deadlock avoidance).
        if (origin !== null && !(await lockGroups(transaction, [], origin)).has(origin))
          throw await createTargetError(transaction, origin);
        const restored = await insertArchivedGroup(transaction, id);
        const movedBack = origin === null ? 0 : await moveSubscribersBack(transaction, id, origin);
        await transaction.deletedGroup.delete({ where: { id } });
        const result = await addGroupDetails(transaction, restored, call.selectedDetails);
        if (origin === null) return { result, after: restored };
        const move = { moveSubscribersFrom: origin, subscribersMovedBack: movedBack };
        return { result, targetIds: [id, origin], after: { ...restored, ...move } };
      });
      return parseGroupRow(row);
    },
  };
}

type ArchivedGroup = { readonly movedTo: number | null; readonly subscribersMoved: number };

/** Locks a group's row in the archive. @throws AppError ALREADY_EXISTS, NOT_FOUND */
async function lockArchivedGroup(transaction: Transaction, id: number): Promise<ArchivedGroup> {
  const [archived] = await transaction.$queryRaw<ArchivedGroup[]>`
    SELECT moved_to AS "movedTo", subscribers_moved AS "subscribersMoved" FROM deleted_groups
    WHERE id = ${id} AND purge_at > now() FOR UPDATE`;
  if (archived) return archived;
  if (await transaction.group.findUnique({ where: { id }, select: { id: true } }))
    throw new AppError('ALREADY_EXISTS', `Group ${id} exists: it is not deleted`, { id });
  throw deletedGroupNotFound(id);
}

/**
 * Returns the group to which the delete moved the subscribers; null if it moved none.
 * @throws AppError BAD_USER_INPUT if that is unknown
 */
function requireKnownTarget(id: number, { movedTo, subscribersMoved }: ArchivedGroup): number | null {
  if (subscribersMoved === 0) return null;
  if (movedTo !== null) return movedTo;
  throw badInput(
    'moveSubscribersBack',
    `The subscribers that the delete of group ${id} moved (${subscribersMoved}) are not stored: it was made by an earlier version, or the ` +
      'archive was imported. Restore without moveSubscribersBack, and use moveSubscribers',
  );
}

/** Creates the error for a group to which the delete moved the subscribers, and which has been deleted since. */
async function createTargetError(transaction: Transaction, id: number): Promise<AppError> {
  const archived = await transaction.deletedGroup.count({ where: { id, purgeAt: { gt: new Date() } } });
  const advice =
    archived > 0
      ? 'which has been deleted. Restore it first, or restore without moveSubscribersBack'
      : 'which has been removed permanently. Restore without moveSubscribersBack';
  const details = { argument: 'moveSubscribersBack', id };
  return new AppError('NOT_FOUND', `The subscribers were moved to group ${id}, ${advice}`, details);
}

/**
 * Inserts a group as it was archived, but without its retirement: `hidden` as before that, and the next version, so
 * that a delete that expects the version of the retired group fails.
 */
async function insertArchivedGroup(transaction: Transaction, id: number): Promise<RowJson> {
  const [inserted] = await transaction.$queryRaw<[{ row: RowJson }]>`
    SELECT group_row(insert_row(NULL::groups, group_row
      || CASE WHEN group_row ->> 'retires_at' IS NULL THEN '{}' ELSE jsonb_build_object('retires_at', NULL, 'retirement', NULL,
        'hidden', group_row -> 'retirement' -> 'was_hidden', 'version', (group_row ->> 'version')::int + 1) END
      || jsonb_build_object('service_group_id',
        (SELECT id FROM service_groups WHERE id = (group_row ->> 'service_group_id')::int)))) AS row
    FROM deleted_groups WHERE id = ${id}`;
  return inserted.row;
}
