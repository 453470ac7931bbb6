import { isTimeLimit } from '../database/conflict.ts';
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
 * Creates the function that deletes one batch of the retired groups that are due, and returns their number, and whether
 * the batch was full: more may be due. Safe to run concurrently on several servers: the delete locks its group, and
 * expects the version that was examined, so that a retirement that was cancelled or changed meanwhile deletes nothing.
 */
export function createRetiredGroupDeletion(
  client: RetirementClient,
  mutations: MutationRunner,
  { deleteGroup }: Pick<GroupDeletion, 'deleteGroup'>,
  log: Logger,
) {
  let position = start;

  /** Deletes a group and returns whether it did. @throws AppError SERVICE_UNAVAILABLE */
  const deleteDue = async (group: DueGroup): Promise<boolean> => {
    const { id, version: expectedVersion, hasSubscribers, retirement } = group;
    const target = hasSubscribers ? retirement.moveSubscribersTo : null;
    const call = createCall(group, target);
    const deletion = { id, expectedVersion, reason: retirement.reason, moveSubscribersTo: target };
    try {
      await deleteGroup(deletion, call);
      return true;
    } catch (error) {
      if (isChange(error)) return false;
      if (isUnavailable(error)) throw error;
      await storeProblem(group, error, call);
      return false;
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

  return async (): Promise<{ readonly deleted: number; readonly isFull: boolean }> => {
    const { due, examinedCount, last } = await findDueGroups(client, position);
    const isFull = due.length === batchSize;
    // Those that are not deleted wait, and the others are gone: a full batch is followed by one from the same position.
    if (!isFull) position = examinedCount === maxExamined && last ? last : start;
    // Concurrent deletes share a statement. One that moves subscribers has its own transaction, which may be long.
    const moving = due.filter(({ hasSubscribers }) => hasSubscribers);
    const results = await Promise.allSettled(
      due.filter(({ hasSubscribers }) => !hasSubscribers).map((group) => deleteDue(group)),
    );
    for (const group of moving) results.push(...(await Promise.allSettled([deleteDue(group)])));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    const deleted = results.filter((result) => result.status === 'fulfilled' && result.value).length;
    return { deleted, isFull };
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
