import { isRolledBackByConflict, isTimeLimit } from '../database/conflict.ts';
import { AppError } from '../errors.ts';
import { GroupNotFoundError } from '../groups/group.ts';
import type { Logger } from '../log.ts';
import { noDetails, type MutationCall } from '../mutations/mutation-call.ts';
import type { MutationRunner } from '../mutations/mutation-runner.ts';
import type { GroupDeletion } from './delete-group.ts';
import {
  batchSize,
  findDueGroups,
  maxExamined,
  storeProblemOf,
  type DueGroup,
  type Position,
  type RetirementClient,
} from './retirement-statements.ts';

const firstRetrySeconds = 60;
const maxRetrySeconds = 3600;

const start: Position = { retiresAt: '-infinity', id: 0 };

/** Codes of a group that has changed since it was examined, so that the next batch examines it again. */
const codesOfChanges: readonly string[] = ['GROUP_PROTECTED', 'VERSION_CONFLICT', 'HAS_ACTIVE_SUBSCRIBERS'];

/**
 * Deletes one batch of the retired groups that are due, calls `onDeleted` for each, and returns whether the batch was
 * full, so that more may be due. After `signal` is aborted, no further move of subscribers starts.
 * @throws AppError SERVICE_UNAVAILABLE; the groups that were deleted before stay deleted
 */
export type RetiredGroupDeletion = (options: {
  readonly signal: AbortSignal;
  readonly onDeleted: () => void;
}) => Promise<boolean>;

/**
 * Creates the function that deletes batches of retired groups, one after the other. Safe to run concurrently on several
 * servers: the delete locks its group, and expects the version that was examined, so that a retirement that was
 * cancelled or changed meanwhile deletes nothing.
 */
export function createRetiredGroupDeletion(
  client: RetirementClient,
  mutations: MutationRunner,
  { deleteGroup }: Pick<GroupDeletion, 'deleteGroup'>,
  log: Logger,
): RetiredGroupDeletion {
  let position = start;

  /** Deletes a group, or stores why it cannot be. @throws AppError SERVICE_UNAVAILABLE, also if the group is locked */
  const deleteDue = async (group: DueGroup, onDeleted: () => void): Promise<void> => {
    const { id, version: expectedVersion, hasSubscribers, retirement } = group;
    const target = hasSubscribers ? retirement.moveSubscribersTo : null;
    const call = createCall(group, target);
    const deletion = { id, expectedVersion, reason: retirement.reason, moveSubscribersTo: target };
    try {
      await deleteGroup(deletion, call);
      onDeleted();
    } catch (error) {
      if (isChange(error)) return;
      if (isUnavailable(error)) throw error;
      await storeProblem(group, error, call);
    }
  };

  /** Deletes a group unless it, or its target, stays locked: a later batch tries again. */
  const tryToDelete = async (group: DueGroup, onDeleted: () => void): Promise<void> => {
    try {
      await deleteDue(group, onDeleted);
    } catch (error) {
      if (!isRolledBackByConflict(error)) throw error;
    }
  };

  /** Stores why a delete failed and when the next attempt is due, with an audit event, unless another server has. */
  const storeProblem = async ({ id, version, retirement }: DueGroup, error: unknown, call: MutationCall) => {
    const failed = retirement.problem?.attempts ?? 0;
    const waitSeconds = Math.min(firstRetrySeconds * 2 ** failed, maxRetrySeconds);
    const { code, message } = describeProblem(error);
    const problem = { code, message, attempts: failed + 1, waitSeconds };
    if (!(await storeProblemOf(client, { id, version }, problem))) return;
    await mutations.auditRejection(call, error);
    const fields = { groupId: id, code, reason: message, retryInSeconds: waitSeconds };
    if (error instanceof AppError) log.warn(fields, 'failed to delete a retired group');
    else log.error({ ...fields, err: error }, 'failed to delete a retired group');
  };

  return async ({ signal, onDeleted }) => {
    const { due, examinedCount, last } = await findDueGroups(client, position);
    const isFull = due.length === batchSize;
    // Also after those that cannot be deleted now, so that they do not delay the others.
    if (isFull) position = due.at(-1)!;
    else position = examinedCount === maxExamined && last ? last : start;
    // Concurrent deletes share a statement. One that moves subscribers has its own transaction, which may be long.
    const withoutMove = due.filter(({ hasSubscribers }) => !hasSubscribers);
    const results = await Promise.allSettled(withoutMove.map((group) => tryToDelete(group, onDeleted)));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    for (const group of due.filter(({ hasSubscribers }) => hasSubscribers)) {
      if (signal.aborted) break;
      await tryToDelete(group, onDeleted);
    }
    return isFull;
  };
}

/** The delete's audit event names the account, the request and the reason of the retirement. */
function createCall({ id, retirement }: DueGroup, target: number | null): MutationCall {
  const { retiredBy, requestId, reason } = retirement;
  return {
    account: retiredBy,
    credential: 'none',
    address: 'local',
    userAgent: null,
    requestId,
    operation: 'deleteGroup',
    targetIds: (target === null ? [id] : [id, target]).map(String),
    reason,
    isDryRun: false,
    idempotencyKey: null,
    fingerprint: '',
    selectedDetails: noDetails,
    markReplayed: () => undefined,
  };
}

/** Returns whether a group could not be deleted because it has changed since it was examined. */
function isChange(error: unknown): boolean {
  if (error instanceof GroupNotFoundError) return error.argument === undefined;
  return error instanceof AppError && codesOfChanges.includes(error.code);
}

/** Returns whether the next batch may succeed. A delete that reaches a time limit would reach it again. */
function isUnavailable(error: unknown): boolean {
  return error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE' && !isTimeLimit(error);
}

function describeProblem(error: unknown): { code: string; message: string } {
  if (error instanceof AppError) return { code: error.code, message: error.message };
  return { code: 'INTERNAL_SERVER_ERROR', message: 'Internal error: the log of the server has it' };
}
