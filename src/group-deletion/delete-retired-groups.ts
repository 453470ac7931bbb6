import { isTimeLimit } from '../database/conflict.ts';
import { camelCaseKeys, type RowJson } from '../database/row-json.ts';
import { AppError } from '../errors.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import { GroupNotFoundError } from '../groups/group.ts';
import type { Retirement } from '../groups/retirement.ts';
import type { Logger } from '../log.ts';
import { noDetails, type MutationCall } from '../mutations/mutation-call.ts';
import type { MutationRunner } from '../mutations/mutation-runner.ts';
import type { GroupDeletion } from './delete-group.ts';

/** The maximum number of groups per batch of deletes. */
const batchSize = 100;
/** The maximum number of waiting groups that one batch examines; the next batch continues after them. */
const maxExamined = 1000;
const firstRetrySeconds = 60;
const maxRetrySeconds = 3600;

/** A retired group that can be deleted now, as it was examined. */
type DueGroup = {
  readonly id: number;
  readonly version: number;
  readonly hasSubscribers: boolean;
  readonly retirement: Retirement & { readonly reason: string | null };
};

/** The position of a group in the order in which groups are examined. */
type Position = { readonly retiresAt: string; readonly id: number };
const start: Position = { retiresAt: '-infinity', id: 0 };

/** Codes of a group that has changed since it was examined, so that the next batch examines it again. */
const codesOfChanges: readonly string[] = ['GROUP_PROTECTED', 'VERSION_CONFLICT', 'HAS_ACTIVE_SUBSCRIBERS'];

/**
 * Creates the function that deletes one batch of the retired groups that are due, and returns their number, and whether
 * the batch was full: more may be due. Safe to run concurrently on several servers: the delete locks its group, and
 * expects the version that was examined, so that a retirement that was cancelled or changed meanwhile deletes nothing.
 */
export function createRetiredGroupDeletion(
  prisma: PrismaClient,
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
    const stored = await prisma.$executeRaw`
      UPDATE groups SET retirement = retirement || jsonb_build_object('problem', jsonb_build_object('code', ${code}::text,
        'message', ${message}::text, 'attempts', ${failed + 1}::int, 'retry_at', now() + ${waitSeconds}::int * interval '1 second'))
      WHERE id = ${id} AND version = ${version}
        AND coalesce((retirement -> 'problem' ->> 'attempts')::int, 0) = ${failed}::int`;
    if (stored === 0) return;
    await mutations.auditRejection(call, error);
    const fields = { groupId: id, code, reason: message, retryInSeconds: waitSeconds };
    if (error instanceof AppError) log.warn(fields, 'failed to delete a retired group');
    else log.error({ ...fields, err: error }, 'failed to delete a retired group');
  };

  return async (): Promise<{ readonly deleted: number; readonly isFull: boolean }> => {
    const { due, examinedCount, last } = await findDueGroups(prisma, position);
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

/**
 * Finds the groups that can be deleted among the first ones after a position whose date has come: those that are not
 * protected, whose last active subscriber has ended or can be moved, and whose next attempt is due.
 */
async function findDueGroups(
  prisma: PrismaClient,
  after: Position,
): Promise<{ due: DueGroup[]; examinedCount: number; last: Position | null }> {
  // The subscriber who ends last is at the end of the index on the dates, where NULL comes after all others.
  const [found] = await prisma.$queryRaw<[{ due: RowJson[]; last: RowJson | null; examinedCount: number }]>`
    WITH examined AS MATERIALIZED (
      SELECT id, version, protected, retires_at, retirement FROM groups
      WHERE retires_at <= now() AND (retires_at, id) > (${after.retiresAt}::timestamptz, ${after.id}::int)
      ORDER BY retires_at, id LIMIT ${maxExamined}
    ),
    due AS (
      SELECT id, version, retirement, has_subscribers FROM examined
      CROSS JOIN LATERAL (
        SELECT EXISTS (
          SELECT FROM (
            SELECT expires_at FROM subscribers WHERE group_id = examined.id ORDER BY expires_at DESC LIMIT 1
          ) AS last_subscriber WHERE is_active(expires_at)
        ) AS has_subscribers
      ) AS state
      WHERE NOT protected AND (NOT has_subscribers OR retirement ->> 'move_subscribers_to' IS NOT NULL)
        AND coalesce((retirement -> 'problem' ->> 'retry_at')::timestamptz <= now(), true)
      ORDER BY retires_at, id LIMIT ${batchSize}
    )
    SELECT (SELECT coalesce(jsonb_agg(to_jsonb(due)), '[]') FROM due) AS due,
      (SELECT count(*)::int FROM examined) AS "examinedCount",
      (SELECT jsonb_build_object('retires_at', retires_at, 'id', id) FROM examined
        ORDER BY retires_at DESC, id DESC LIMIT 1) AS last`;
  return camelCaseKeys(found) as { due: DueGroup[]; examinedCount: number; last: Position | null };
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
