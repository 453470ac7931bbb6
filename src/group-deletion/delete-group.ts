import {
  keyInProgress,
  keyReused,
  idempotencyCutoff,
  type MutationRunner,
  type Transaction,
} from '../mutations/mutation-runner.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import { isLockTimeout, isTimeLimit, isRolledBackByConflict, retryOnConflict } from '../database/conflict.ts';
import { waitForCommit } from '../database/lost-commit.ts';
import { isOutcomeUnknown, toUnavailableError } from '../database/database-errors.ts';
import type { RowJson } from '../database/row-json.ts';
import { AppError, lockTimeout, serviceUnavailable, type ErrorCode } from '../errors.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import { moveActiveSubscribers, moveTargetNotFound } from '../subscribers/move-subscribers.ts';
import { createGroupCommit } from './group-commit.ts';
import { findCommittedDeletions } from './committed-deletions.ts';
import {
  runDeletionStatement,
  type DeletionResult,
  type DeletionErrorCode,
  type DeletionRequest,
} from './delete-statement.ts';
import { groupNotFound, parseGroupRow, type Group } from '../groups/group.ts';
import { lockGroups } from '../groups/group-locks.ts';

/** The parsed arguments of `deleteGroup`. */
export type Deletion = {
  readonly id: number;
  readonly reason: string | null;
  readonly expectedVersion: number | null;
  readonly moveSubscribersTo: number | null;
};

export type GroupDeletion = ReturnType<typeof createGroupDeletion>;

/** The only way to delete groups. Deleted groups are archived for `retentionDays`; with 0 they are not archived. */
export function createGroupDeletion(prisma: PrismaClient, mutations: MutationRunner, retentionDays: number) {
  const enqueue = createGroupCommit<DeletionRequest, DeletionResult>({
    runBatch: (requests) => runBatch(prisma, requests, retentionDays),
    runSingle: (request) => runSingle(prisma, request, retentionDays),
    // If the database is unavailable. A statement that failed because of a lock or a time limit was rolled back and may
    // be retried.
    isFatal: (error) => error instanceof AppError && !isRolledBackByConflict(error) && !isTimeLimit(error),
  });

  /** Deletes a group in a transaction, and moves its subscribers if they are all that blocks the delete. */
  const deleteWithin = async (transaction: Transaction, deletion: Deletion, call: MutationCall) => {
    const { moveSubscribersTo: target, ...rest } = deletion;
    const attempt = async (subscribersMoved: number) => {
      const request = { ...rest, call, isAudited: false, subscribersMoved };
      const [result] = await runDeletionStatement(transaction, [request], retentionDays);
      return result ?? throwLocked();
    };
    const locked = await lockGroups(transaction, [deletion.id], target);
    let subscribersMoved = 0;
    let result = await attempt(0);
    if (target !== null && (result.outcome === 'done' || result.outcome === 'HAS_ACTIVE_SUBSCRIBERS')) {
      if (!locked.has(target)) throw moveTargetNotFound('moveSubscribersTo');
    }
    if (target !== null && result.outcome === 'HAS_ACTIVE_SUBSCRIBERS') {
      subscribersMoved = await moveActiveSubscribers(transaction, deletion.id, target);
      result = await attempt(subscribersMoved);
    }
    const row = requireRow(result);
    const after = target === null ? {} : { after: { moveSubscribersTo: target, subscribersMoved } };
    return { result: row, before: withoutDetails(row), ...after };
  };

  return {
    /**
     * Deletes a group and returns the deleted row.
     * @throws AppError NOT_FOUND, GROUP_PROTECTED, VERSION_CONFLICT, HAS_ACTIVE_SUBSCRIBERS, IDEMPOTENCY_KEY_REUSED,
     * IDEMPOTENCY_IN_PROGRESS; ALREADY_EXISTS if a subscriber to move is already on the target
     */
    async deleteGroup(deletion: Deletion, call: MutationCall): Promise<Group> {
      if (call.isDryRun || deletion.moveSubscribersTo !== null) {
        return parseGroupRow(
          await mutations.run(call, (transaction) => deleteWithin(transaction, deletion, call)),
        );
      }

      const result = await enqueue({ ...deletion, call, isAudited: true, subscribersMoved: 0 }).catch(
        (error: unknown) => {
          throw isLockTimeout(error) && call.idempotencyKey !== null ? keyInProgress() : error;
        },
      );
      const row = requireRow(result);
      if (result.outcome === 'replayed') call.markReplayed();
      return parseGroupRow(row);
    },

    /**
     * Deletes several groups atomically and returns their rows in the order of the ids.
     * @throws AppError with the code of the first blocker, and all of them with their ids in `blockers`
     */
    async deleteGroups(ids: readonly number[], reason: string | null, call: MutationCall): Promise<Group[]> {
      const rows = await mutations.run(call, async (transaction) => {
        const base = { reason, expectedVersion: null, call, isAudited: false, subscribersMoved: 0 };
        await lockGroups(transaction, ids);
        const requests = ids.map((id) => ({ id, ...base }));
        const deleted = requireAllRows(ids, await runDeletionStatement(transaction, requests, retentionDays));
        return { result: deleted, before: deleted.map(withoutDetails) };
      });
      return rows.map(parseGroupRow);
    },
  };
}

/**
 * Runs the statement for a batch of requests. If its result is lost with the connection, finds out what was committed.
 */
async function runBatch(
  prisma: PrismaClient,
  requests: readonly DeletionRequest[],
  retentionDays: number,
): Promise<(DeletionResult | undefined)[]> {
  try {
    return await runDeletionStatement(prisma, requests, retentionDays, Prisma.sql`SKIP LOCKED`);
  } catch (error) {
    return recoverResults(prisma, requests, error);
  }
}

/**
 * Returns the results of deletes that were committed although the connection was lost.
 * @throws the error if none was
 */
async function recoverResults(
  prisma: PrismaClient,
  requests: readonly DeletionRequest[],
  error: unknown,
): Promise<DeletionResult[]> {
  if (!isOutcomeUnknown(error)) throw error;
  let committed: (DeletionResult | undefined)[] = [];
  await waitForCommit(error, async () => {
    committed = await findCommittedDeletions(prisma, requests);
    return committed.some((result) => result !== undefined);
  });
  return committed.map((result) => result ?? lostResult);
}

/** The result of a request that deleted nothing in a statement whose result was lost: the reason is unknown. */
const lostResult: DeletionResult = {
  outcome: 'SERVICE_UNAVAILABLE',
  row: {},
  version: 0,
  subscriberCount: 0,
};

/** Runs one request. Locks its group first, so that the statement deletes the row version that it reads. */
async function runSingle(
  prisma: PrismaClient,
  request: DeletionRequest,
  retentionDays: number,
): Promise<DeletionResult> {
  try {
    return await retryOnConflict(async () => {
      await removeExpiredKey(prisma, request.call);
      return prisma.$transaction(async (transaction) => {
        await lockGroups(transaction, [request.id]);
        const [result] = await runDeletionStatement(transaction, [request], retentionDays);
        return result ?? throwLocked();
      });
    });
  } catch (error) {
    const [result] = await recoverResults(prisma, [request], toUnavailableError(error));
    return result!;
  }
}

async function removeExpiredKey(
  prisma: PrismaClient,
  { account, operation, idempotencyKey: key }: MutationCall,
): Promise<void> {
  if (key === null) return;
  await prisma.idempotencyKey.deleteMany({
    where: { account, operation, key, createdAt: { lte: idempotencyCutoff() } },
  });
}

/** @throws AppError if the group was not deleted */
function requireRow(result: DeletionResult): RowJson {
  if (result.outcome === 'done' || result.outcome === 'replayed') return result.row;
  throw deletionError(result.outcome, result);
}

/** The row as it was stored, for the audit. */
function withoutDetails({ details: _details, ...row }: RowJson): RowJson {
  return row;
}

function requireAllRows(ids: readonly number[], results: readonly (DeletionResult | undefined)[]): RowJson[] {
  const blockers: { id: number; code: ErrorCode; message: string }[] = [];
  const rows = results.map((result, index) => {
    try {
      return requireRow(result ?? throwLocked());
    } catch (error) {
      if (!(error instanceof AppError) || error.code === 'SERVICE_UNAVAILABLE') throw error;
      blockers.push({ id: ids[index]!, code: error.code, message: error.message, ...error.details });
      return {};
    }
  });
  const [first] = blockers;
  if (!first) return rows;
  const message = `${blockers.length} of ${ids.length} groups cannot be deleted, so none was. Group ${first.id}: ${first.message}`;
  const { id: _id, code, message: _message, ...details } = first;
  throw new AppError(code, message, { ...details, blockers });
}

/** The error of a rejected delete: the same for single deletes, bulk deletes and previews. */
export function deletionError(
  outcome: DeletionErrorCode,
  { version, subscriberCount }: { version: number; subscriberCount: number },
): AppError {
  switch (outcome) {
    case 'NOT_FOUND':
      return groupNotFound();
    case 'GROUP_PROTECTED':
      return new AppError(outcome, 'Cannot delete a protected group');
    case 'VERSION_CONFLICT':
      return new AppError(outcome, `The group is at version ${version}, not the expected version`, {
        version,
      });
    case 'HAS_ACTIVE_SUBSCRIBERS':
      return new AppError(outcome, 'Cannot delete group with active subscribers', { subscriberCount });
    case 'IDEMPOTENCY_KEY_REUSED':
      return keyReused();
    case 'SERVICE_UNAVAILABLE':
      return serviceUnavailable();
  }
}

function throwLocked(): never {
  throw lockTimeout();
}
