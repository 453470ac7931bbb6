import { mutationFinished } from '../measurements/channels.ts';
import { keyInProgress, keyReused } from '../mutations/idempotency.ts';
import { reportOutcome, type MutationRunner, type Transaction } from '../mutations/mutation-runner.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import { isLockTimeout } from '../database/conflict.ts';
import type { RowJson } from '../database/row-json.ts';
import { AppError, lockTimeout, serviceUnavailable, type ErrorCode } from '../errors.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import { moveActiveSubscribers, storeMovedSubscribers } from '../subscribers/move-subscribers.ts';
import { createGroupCommit } from './group-commit.ts';
import { runDeleteManyStatement, type BlockedDeletion } from './delete-many-statement.ts';
import { runDeletionStatement, type DeletionErrorCode, type DeletionResult } from './delete-statement.ts';
import { GroupNotFoundError, parseGroupRow, type Group } from '../groups/group.ts';
import { lockGroups, requireOpenGroup } from '../groups/group-locks.ts';

/** The parsed arguments of `deleteGroup`. */
export type Deletion = {
  readonly id: number;
  readonly reason: string | null;
  readonly expectedVersion: number | null;
  readonly moveSubscribersTo: number | null;
};

/** Of a delete that moves no subscribers. */
const noMove = { subscribersMoved: 0, movedTo: null };

export type GroupDeletion = ReturnType<typeof createGroupDeletion>;

/**
 * The only way to delete groups, apart from unchanged samples in an import. Deleted groups are archived for
 * `retentionDays`; with 0 they are not archived.
 */
export function createGroupDeletion(prisma: PrismaClient, mutations: MutationRunner, retentionDays: number) {
  const groupCommit = createGroupCommit(prisma, retentionDays, mutations.commitListeners);

  /** Deletes a group in a transaction, and moves its subscribers if they are all that blocks the delete. */
  const deleteWithin = async (transaction: Transaction, deletion: Deletion, call: MutationCall) => {
    const { moveSubscribersTo: target, ...rest } = deletion;
    const attempt = async (subscribersMoved: number) => {
      const movedTo = subscribersMoved > 0 ? target : null;
      const request = { ...rest, call, isAudited: false, subscribersMoved, movedTo };
      const [result] = await runDeletionStatement(transaction, [request], retentionDays);
      if (!result) throw lockTimeout();
      return result;
    };
    const locked = await lockGroups(transaction, [deletion.id], target);
    let subscribersMoved = 0;
    let result = await attempt(0);
    if (target !== null && (result.outcome === 'done' || result.outcome === 'HAS_ACTIVE_SUBSCRIBERS')) {
      requireOpenGroup(locked, target, 'moveSubscribersTo');
    }
    if (target !== null && result.outcome === 'HAS_ACTIVE_SUBSCRIBERS') {
      if (retentionDays > 0) await storeMovedSubscribers(transaction, deletion.id);
      subscribersMoved = await moveActiveSubscribers(transaction, deletion.id, target);
      result = await attempt(subscribersMoved);
    }
    const row = requireRow(result, deletion);
    const after = target === null ? {} : { after: { moveSubscribersTo: target, subscribersMoved } };
    return { result: row, before: withoutDetails(row), ...after };
  };

  return {
    /** Returns the number of deletes that wait for a statement, and of running statements. */
    readQueue: () => groupCommit.readQueue(),

    /**
     * Deletes a group and returns the deleted row.
     * @throws AppError NOT_FOUND, GROUP_PROTECTED, VERSION_CONFLICT, HAS_ACTIVE_SUBSCRIBERS, IDEMPOTENCY_KEY_REUSED,
     * IDEMPOTENCY_IN_PROGRESS; ALREADY_EXISTS if a subscriber to move is already on the target; GROUP_RETIRED if the
     * target is retired
     */
    async deleteGroup(deletion: Deletion, call: MutationCall): Promise<Group> {
      if (call.isDryRun || deletion.moveSubscribersTo !== null) {
        return parseGroupRow(
          await mutations.run(call, (transaction) => deleteWithin(transaction, deletion, call)),
        );
      }

      const request = { ...deletion, call, isAudited: true, ...noMove };
      const result = await groupCommit.run(request).catch((error: unknown) => {
        throw isLockTimeout(error) && call.idempotencyKey !== null ? keyInProgress() : error;
      });
      const row = requireRow(result, deletion);
      const isReplayed = result.outcome === 'replayed';
      if (isReplayed) call.markReplayed();
      if (mutationFinished.hasSubscribers) reportOutcome(call, isReplayed ? 'replayed' : 'done');
      return parseGroupRow(row);
    },

    /**
     * Deletes several groups atomically and returns their rows in the order of the ids.
     * @throws AppError with the code of the first blocker, and all of them with their ids in `blockers`
     */
    async deleteGroups(ids: readonly number[], reason: string | null, call: MutationCall): Promise<Group[]> {
      const rows = await mutations.run(call, async (transaction) => {
        const base = { reason, expectedVersion: null, call, isAudited: false, ...noMove };
        await lockGroups(transaction, ids);
        const requests = ids.map((id) => ({ id, ...base }));
        const { row: deleted, ...change } = await runDeleteManyStatement(
          transaction,
          call,
          requests,
          retentionDays,
          (blocked) => blockedDeletion(blocked, requests.length),
        );
        return { ...change, result: deleted };
      });
      return rows.map(parseGroupRow);
    },
  };
}

/** @throws AppError if the group was not deleted */
function requireRow(result: DeletionResult, deletion: DeletionTarget): RowJson {
  if (result.outcome === 'done' || result.outcome === 'replayed') return result.row;
  throw deletionError(result.outcome, result, deletion);
}

/** The row as it was stored, for the audit. */
function withoutDetails({ details: _details, ...row }: RowJson): RowJson {
  return row;
}

function blockedDeletion(blocked: readonly BlockedDeletion[], groupCount: number): AppError {
  if (blocked.some(({ outcome }) => outcome === null)) return lockTimeout();
  const [first, ...others] = blocked.map(({ id, outcome, ...result }): DeletionBlocker => {
    const { code, message, details } = deletionError(outcome!, result, { id, expectedVersion: null });
    return { ...details, id, code, message };
  });
  return new BlockedDeletionError([first!, ...others], groupCount);
}

/** Why a group cannot be deleted, with the details of the error. */
type DeletionBlocker = { readonly id: number; readonly code: ErrorCode; readonly message: string };

/** None of `groupCount` groups was deleted, because of some of them. */
export class BlockedDeletionError extends AppError {
  override name = 'BlockedDeletionError';
  readonly blockers: readonly [DeletionBlocker, ...DeletionBlocker[]];
  readonly groupCount: number;

  constructor(blockers: readonly [DeletionBlocker, ...DeletionBlocker[]], groupCount: number) {
    const { id, code, message, ...details } = blockers[0];
    super(
      code,
      `${blockers.length} of ${groupCount} groups cannot be deleted, so none was. Group ${id}: ${message}`,
      { ...details, blockers },
    );
    this.blockers = blockers;
    this.groupCount = groupCount;
  }
}

/** The group to delete, and the version that the caller expects. */
type DeletionTarget = Pick<Deletion, 'id' | 'expectedVersion'>;

/** The error of a rejected delete: the same for single deletes, bulk deletes and previews. */
export function deletionError(
  outcome: DeletionErrorCode,
  { version, subscriberCount }: { version: number; subscriberCount: number },
  { id, expectedVersion }: DeletionTarget,
): AppError {
  switch (outcome) {
    case 'NOT_FOUND':
      return new GroupNotFoundError(id);
    case 'GROUP_PROTECTED':
      return new AppError(outcome, 'Cannot delete a protected group');
    case 'VERSION_CONFLICT':
      return new AppError(
        outcome,
        `Group ${id} is at version ${version}, not at expectedVersion ${expectedVersion}: read it again first`,
        { version },
      );
    case 'HAS_ACTIVE_SUBSCRIBERS':
      return new AppError(outcome, 'Cannot delete group with active subscribers', { subscriberCount });
    case 'IDEMPOTENCY_KEY_REUSED':
      return keyReused();
    case 'SERVICE_UNAVAILABLE':
      return serviceUnavailable();
  }
}
