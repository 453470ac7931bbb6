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

/** What `deleteGroup` is asked to do. */
export type Deletion = {
  readonly id: number;
  readonly reason: string | null;
  readonly expectedVersion: number | null;
  readonly moveSubscribersTo: number | null;
};

export type GroupDeletion = ReturnType<typeof createGroupDeletion>;

/** The one way to delete groups. What is deleted is kept for `retentionDays`; 0 keeps nothing. */
export function createGroupDeletion(prisma: PrismaClient, mutations: MutationRunner, retentionDays: number) {
  const enqueue = createGroupCommit<DeletionRequest, DeletionResult>({
    runBatch: (requests) => runBatch(prisma, requests, retentionDays),
    runSingle: (request) => runSingle(prisma, request, retentionDays),
    // The database is unavailable. A statement that it undid, because of a lock or a time limit, may be run again.
    isFatal: (error) => error instanceof AppError && !isRolledBackByConflict(error) && !isTimeLimit(error),
  });

  /** Deletes within the transaction, moving the subscribers where only they are in the way. */
  const deleteWithin = async (transaction: Transaction, deletion: Deletion, call: MutationCall) => {
    const { moveSubscribersTo: target, ...what } = deletion;
    const attempt = async (subscribersMoved: number) => {
      const request = { ...what, call, isAudited: false, subscribersMoved };
      const [answer] = await runDeletionStatement(transaction, [request], retentionDays);
      return answer ?? throwLocked();
    };
    const locked = await lockGroups(transaction, [deletion.id], target);
    let subscribersMoved = 0;
    let answer = await attempt(0);
    if (target !== null && (answer.outcome === 'done' || answer.outcome === 'HAS_ACTIVE_SUBSCRIBERS')) {
      if (!locked.has(target)) throw moveTargetNotFound('moveSubscribersTo');
    }
    if (target !== null && answer.outcome === 'HAS_ACTIVE_SUBSCRIBERS') {
      subscribersMoved = await moveActiveSubscribers(transaction, deletion.id, target);
      answer = await attempt(subscribersMoved);
    }
    const row = requireRow(answer);
    const after = target === null ? {} : { after: { moveSubscribersTo: target, subscribersMoved } };
    return { result: row, before: withoutDetails(row), ...after };
  };

  return {
    /**
     * Deletes a group and answers the very row that was deleted.
     * @throws AppError NOT_FOUND, GROUP_PROTECTED, VERSION_CONFLICT, HAS_ACTIVE_SUBSCRIBERS, IDEMPOTENCY_KEY_REUSED,
     * IDEMPOTENCY_IN_PROGRESS; and ALREADY_EXISTS where a subscriber to be moved is on the target already.
     */
    async deleteGroup(deletion: Deletion, call: MutationCall): Promise<Group> {
      if (call.isDryRun || deletion.moveSubscribersTo !== null) {
        return parseGroupRow(
          await mutations.run(call, (transaction) => deleteWithin(transaction, deletion, call)),
        );
      }

      const answer = await enqueue({ ...deletion, call, isAudited: true, subscribersMoved: 0 }).catch(
        (error: unknown) => {
          throw isLockTimeout(error) && call.idempotencyKey !== null ? keyInProgress() : error;
        },
      );
      const row = requireRow(answer);
      if (answer.outcome === 'replayed') call.markReplayed();
      return parseGroupRow(row);
    },

    /**
     * Deletes several groups, all or none, and answers their rows in the order of the ids.
     * @throws AppError with the code of the first blocker, and every one with its id in `blockers`.
     */
    async deleteGroups(ids: readonly number[], reason: string | null, call: MutationCall): Promise<Group[]> {
      const rows = await mutations.run(call, async (transaction) => {
        const plain = { reason, expectedVersion: null, call, isAudited: false, subscribersMoved: 0 };
        await lockGroups(transaction, ids);
        const requests = ids.map((id) => ({ id, ...plain }));
        const deleted = requireAllRows(ids, await runDeletionStatement(transaction, requests, retentionDays));
        return { result: deleted, before: deleted.map(withoutDetails) };
      });
      return rows.map(parseGroupRow);
    },
  };
}

/** Runs the statement for requests that wait together. If its answer is lost, finds out what was committed. */
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

/** Finds the answers of deletes that were committed although their connection was lost. @throws the error if none was. */
async function recoverResults(
  prisma: PrismaClient,
  requests: readonly DeletionRequest[],
  error: unknown,
): Promise<DeletionResult[]> {
  if (!isOutcomeUnknown(error)) throw error;
  let committed: (DeletionResult | undefined)[] = [];
  await waitForCommit(error, async () => {
    committed = await findCommittedDeletions(prisma, requests);
    return committed.some((answer) => answer !== undefined);
  });
  return committed.map((answer) => answer ?? lostResult);
}

/** Of a request that was in a statement whose answer was lost, and deleted nothing: why not is not known. */
const lostResult: DeletionResult = {
  outcome: 'SERVICE_UNAVAILABLE',
  row: {},
  version: 0,
  subscriberCount: 0,
};

/** Runs one request, holding its group first, so that what the statement reads is what it deletes. */
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
        const [answer] = await runDeletionStatement(transaction, [request], retentionDays);
        return answer ?? throwLocked();
      });
    });
  } catch (error) {
    const [answer] = await recoverResults(prisma, [request], toUnavailableError(error));
    return answer!;
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

function requireRow(answer: DeletionResult): RowJson {
  if (answer.outcome === 'done' || answer.outcome === 'replayed') return answer.row;
  throw deletionError(answer.outcome, answer);
}

/** The row as it was stored, for the audit. */
function withoutDetails({ details: _details, ...row }: RowJson): RowJson {
  return row;
}

function requireAllRows(ids: readonly number[], answers: readonly (DeletionResult | undefined)[]): RowJson[] {
  const blockers: { id: number; code: ErrorCode; message: string }[] = [];
  const rows = answers.map((answer, index) => {
    try {
      return requireRow(answer ?? throwLocked());
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

/** The refusal of a delete, as every way to delete and its previews word it. */
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
      return new AppError(outcome, `The group is at version ${version}, not at the expected version`, {
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
