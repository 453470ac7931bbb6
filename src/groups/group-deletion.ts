import {
  keyInProgress,
  keyReused,
  keysExpireBefore,
  type CallRecorder,
  type Transaction,
} from '../audit/call-recorder.ts';
import type { Call } from '../audit/call.ts';
import { lockNotAvailable, retryOnConflict } from '../database/conflict.ts';
import { sqlStateOf } from '../database/prisma-error.ts';
import { toUnavailability } from '../database/unavailability.ts';
import type { RowJson } from '../database/row-json.ts';
import { AppError, heldByOthers, type ErrorCode } from '../errors.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import { moveActiveSubscribers, moveTargetNotFound } from '../subscribers/move-subscribers.ts';
import { createCommitQueue } from './commit-queue.ts';
import {
  runDeletionStatement,
  type DeletionAnswer,
  type DeletionRefusal,
  type DeletionRequest,
} from './deletion-statement.ts';
import { groupNotFound, readGroupRow, type Group } from './group.ts';
import { lockGroups } from './lock-groups.ts';

/** What `deleteGroup` is asked to do. */
export type Deletion = {
  readonly id: number;
  readonly reason: string | null;
  readonly expectedVersion: number | null;
  readonly moveSubscribersTo: number | null;
};

export type GroupDeletion = ReturnType<typeof createGroupDeletion>;

/** The one way to delete groups. What is deleted is kept for `retentionDays`; 0 keeps nothing. */
export function createGroupDeletion(prisma: PrismaClient, recorder: CallRecorder, retentionDays: number) {
  const enqueue = createCommitQueue<DeletionRequest, DeletionAnswer>({
    runTogether: (requests) => runDeletionStatement(prisma, requests, retentionDays, Prisma.sql`SKIP LOCKED`),
    runAlone: (request) => runAlone(prisma, request, retentionDays),
    // The database is away: nobody knows what became of the statement. A lock that was not had in time undid it.
    isFatal: (error) => error instanceof AppError && sqlStateOf(error) !== lockNotAvailable,
  });

  /** Deletes within the transaction, moving the subscribers where only they are in the way. */
  const deleteWithin = async (transaction: Transaction, deletion: Deletion, call: Call) => {
    const { moveSubscribersTo: target, ...what } = deletion;
    const attempt = async (subscribersMoved: number) => {
      const request = { ...what, call, isRecorded: false, subscribersMoved };
      const [answer] = await runDeletionStatement(transaction, [request], retentionDays);
      return answer ?? throwChanging();
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
    return { result: row, before: row, ...after };
  };

  return {
    /**
     * Deletes a group and answers the very row that was deleted.
     * @throws AppError NOT_FOUND, GROUP_PROTECTED, VERSION_CONFLICT, HAS_ACTIVE_SUBSCRIBERS, IDEMPOTENCY_KEY_REUSED,
     * IDEMPOTENCY_IN_PROGRESS; and ALREADY_EXISTS where a subscriber to be moved is on the target already.
     */
    async deleteGroup(deletion: Deletion, call: Call): Promise<Group> {
      if (call.isDryRun || deletion.moveSubscribersTo !== null) {
        return readGroupRow(
          await recorder.transact(call, (transaction) => deleteWithin(transaction, deletion, call)),
        );
      }

      const answer = await enqueue({ ...deletion, call, isRecorded: true, subscribersMoved: 0 }).catch(
        (error: unknown) => {
          const isHeld = sqlStateOf(error) === lockNotAvailable;
          throw isHeld && call.idempotencyKey !== null ? keyInProgress() : error;
        },
      );
      const row = requireRow(answer);
      if (answer.outcome === 'replayed') await recorder.recordReplay(call);
      return readGroupRow(row);
    },

    /**
     * Deletes several groups, all or none, and answers their rows in the order of the ids.
     * @throws AppError with the code of the first blocker, and every one with its id in `blockers`.
     */
    async deleteGroups(ids: readonly number[], reason: string | null, call: Call): Promise<Group[]> {
      const rows = await recorder.transact(call, async (transaction) => {
        const plain = { reason, expectedVersion: null, call, isRecorded: false, subscribersMoved: 0 };
        await lockGroups(transaction, ids);
        const requests = ids.map((id) => ({ id, ...plain }));
        const deleted = requireAllRows(ids, await runDeletionStatement(transaction, requests, retentionDays));
        return { result: deleted, before: deleted };
      });
      return rows.map(readGroupRow);
    },
  };
}

/** Runs one request, holding its group first, so that what the statement reads is what it deletes. */
async function runAlone(
  prisma: PrismaClient,
  request: DeletionRequest,
  retentionDays: number,
): Promise<DeletionAnswer> {
  try {
    return await retryOnConflict(async () => {
      await removeExpiredKey(prisma, request.call);
      return prisma.$transaction(async (transaction) => {
        await lockGroups(transaction, [request.id]);
        const [answer] = await runDeletionStatement(transaction, [request], retentionDays);
        return answer ?? throwChanging();
      });
    });
  } catch (error) {
    throw toUnavailability(error);
  }
}

async function removeExpiredKey(
  prisma: PrismaClient,
  { account, operation, idempotencyKey: key }: Call,
): Promise<void> {
  if (key === null) return;
  await prisma.idempotencyKey.deleteMany({
    where: { account, operation, key, createdAt: { lte: keysExpireBefore() } },
  });
}

function requireRow(answer: DeletionAnswer): RowJson {
  if (answer.outcome === 'done' || answer.outcome === 'replayed') return answer.row;
  throw refusalOf(answer.outcome, answer);
}

function requireAllRows(ids: readonly number[], answers: readonly (DeletionAnswer | undefined)[]): RowJson[] {
  const blockers: { id: number; code: ErrorCode; message: string }[] = [];
  const rows = answers.map((answer, index) => {
    try {
      return requireRow(answer ?? throwChanging());
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
export function refusalOf(
  outcome: DeletionRefusal,
  { version, subscriberCount }: { version: number; subscriberCount: number },
): AppError {
  switch (outcome) {
    case 'NOT_FOUND':
      return groupNotFound();
    case 'GROUP_PROTECTED':
      return new AppError(outcome, 'Cannot delete a protected group');
    case 'VERSION_CONFLICT':
      return new AppError(outcome, `The group has version ${version} by now, not the expected one`, {
        version,
      });
    case 'HAS_ACTIVE_SUBSCRIBERS':
      return new AppError(outcome, 'Cannot delete group with active subscribers', { subscriberCount });
    case 'IDEMPOTENCY_KEY_REUSED':
      return keyReused();
  }
}

function throwChanging(): never {
  throw heldByOthers();
}
