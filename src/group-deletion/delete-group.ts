import { mutationFinished } from '../measurements/channels.ts';
import { keyInProgress } from '../mutations/idempotency.ts';
import { reportOutcome, type MutationRunner, type Transaction } from '../mutations/mutation-runner.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import { isLockTimeout } from '../database/conflict.ts';
import type { RowJson } from '../database/row-json.ts';
import { badInput, lockTimeout } from '../errors.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import { moveActiveSubscribers, storeMovedSubscribers } from '../subscribers/move-subscribers.ts';
import { createGroupCommit } from './group-commit.ts';
import { runDeleteManyStatement } from './delete-many-statement.ts';
import { runDeletionStatement, type DeletionResult } from './delete-statement.ts';
import { blockedDeletionError, deletionError } from './deletion-errors.ts';
import { parseGroupRow, type Group } from '../groups/group.ts';
import { lockGroups, requireOpenGroup } from '../groups/group-locks.ts';
import { addRadiusAttributes } from '../groups/radius-attribute-statements.ts';
import { integerParser, parseId, textParser } from '../validation/input-parsers.ts';

/** The parsed arguments of `deleteGroup`. */
export type Deletion = {
  readonly id: number;
  readonly reason: string | null;
  readonly expectedVersion: number | null;
  readonly moveSubscribersTo: number | null;
};

const maxReasonLength = 500;
/** Of a delete that moves no subscribers. */
const noMove = { subscribersMoved: 0, movedTo: null };

/** Parses the arguments of `deleteGroup`. @throws AppError BAD_USER_INPUT */
export function parseDeletion(args: {
  id: unknown;
  reason?: unknown;
  moveSubscribersTo?: unknown;
  expectedVersion?: unknown;
}): Deletion {
  const id = parseId(args.id, 'id', 'Group');
  const target = args.moveSubscribersTo ?? null;
  const version = args.expectedVersion ?? null;
  const deletion = {
    id,
    reason: parseReason(args.reason),
    moveSubscribersTo: target === null ? null : parseId(target, 'moveSubscribersTo', 'Group'),
    expectedVersion: version === null ? null : integerParser({ min: 1 })(version, 'expectedVersion'),
  };
  if (deletion.moveSubscribersTo === id) {
    throw badInput('moveSubscribersTo', 'moveSubscribersTo must differ from the group to delete');
  }
  return deletion;
}

/** Parses the reason of a delete; null if there is none. @throws AppError BAD_USER_INPUT */
export function parseReason(reason: unknown): string | null {
  return reason == null ? null : textParser({ max: maxReasonLength, multiline: true })(reason, 'reason');
}

export type GroupDeletion = ReturnType<typeof createGroupDeletion>;

/**
 * The only way to delete groups, apart from unchanged samples in an import. Deleted groups are archived for
 * `retentionDays`; with 0 they are not archived.
 */
export function createGroupDeletion(prisma: PrismaClient, mutations: MutationRunner, retentionDays: number) {
  const groupCommit = createGroupCommit(prisma, retentionDays, mutations.commits);

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
    return { result: await addSelected(transaction, row, call), before: withoutDetails(row), ...after };
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
      const { radiusAttributes } = call.selectedDetails;
      // Their query would delay all requests of a batch.
      if (call.isDryRun || deletion.moveSubscribersTo !== null || radiusAttributes) {
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
          (blocked) => blockedDeletionError(blocked, requests.length),
        );
        const isSelected = call.selectedDetails.radiusAttributes;
        return { ...change, result: isSelected ? await addRadiusAttributes(transaction, deleted) : deleted };
      });
      return rows.map(parseGroupRow);
    },
  };
}

/** @throws AppError if the group was not deleted */
function requireRow(result: DeletionResult, deletion: Deletion): RowJson {
  if (result.outcome === 'done' || result.outcome === 'replayed') return result.row;
  throw deletionError(result.outcome, result, deletion);
}

/** Adds the details that the statement does not read. */
async function addSelected(
  transaction: Transaction,
  row: RowJson,
  { selectedDetails }: MutationCall,
): Promise<RowJson> {
  if (!selectedDetails.radiusAttributes) return row;
  const [withAttributes] = await addRadiusAttributes(transaction, [row]);
  return withAttributes!;
}

/** The row as it was stored, for the audit. */
function withoutDetails({ details: _details, ...row }: RowJson): RowJson {
  return row;
}
