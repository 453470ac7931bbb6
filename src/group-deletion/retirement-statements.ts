import { camelCaseKeys, type RowJson } from '../database/row-json.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import type { Retirement, RetirementProblem } from '../groups/retirement.ts';

/** What the statements of retirements need. */
export type RetirementClient = Pick<PrismaClient, '$queryRaw' | '$executeRaw'>;

/** The maximum number of groups per batch of deletes. */
export const batchSize = 100;
/** The maximum number of waiting groups that one batch examines; the next batch continues after them. */
export const maxExamined = 1000;

/** A retired group that can be deleted now, as it was examined. */
export type DueGroup = {
  readonly id: number;
  readonly version: number;
  /** A timestamp as PostgreSQL formats it in JSON. */
  readonly retiresAt: string;
  readonly hasSubscribers: boolean;
  readonly retirement: Retirement & { readonly reason: string | null };
};

/** The position of a group in the order in which groups are examined. */
export type Position = { readonly retiresAt: string; readonly id: number };

/**
 * Finds the groups that can be deleted among the first ones after a position whose date has come: those that are not
 * protected, whose last active subscriber has ended or can be moved, whose next attempt is due, and which no other
 * transaction locks: it may take minutes, and would delay the groups after this one.
 */
export async function findDueGroups(
  client: RetirementClient,
  after: Position,
): Promise<{ due: DueGroup[]; examinedCount: number; last: Position | null }> {
  // The subscriber who ends last is at the end of the index on the dates, where NULL comes after all others.
  const [found] = await client.$queryRaw<[{ due: RowJson[]; last: RowJson | null; examinedCount: number }]>`
    WITH examined AS MATERIALIZED (
      SELECT id, version, protected, retires_at, retirement FROM groups
      WHERE retires_at <= now() AND (retires_at, id) > (${after.retiresAt}::timestamptz, ${after.id}::int)
      ORDER BY retires_at, id LIMIT ${maxExamined}
    ),
    due AS (
      SELECT id, examined.version, examined.retires_at, examined.retirement, has_subscribers FROM examined
      JOIN groups USING (id)
      CROSS JOIN LATERAL (
        SELECT EXISTS (
          SELECT FROM (
            SELECT expires_at FROM subscribers WHERE group_id = examined.id ORDER BY expires_at DESC LIMIT 1
          ) AS last_subscriber WHERE is_active(expires_at)
        ) AS has_subscribers
      ) AS state
      WHERE NOT examined.protected AND (NOT has_subscribers OR examined.retirement ->> 'move_subscribers_to' IS NOT NULL)
        AND coalesce((examined.retirement -> 'problem' ->> 'retry_at')::timestamptz <= now(), true)
      ORDER BY examined.retires_at, id LIMIT ${batchSize}
      FOR NO KEY UPDATE OF groups SKIP LOCKED
    )
    SELECT (SELECT coalesce(jsonb_agg(to_jsonb(due) ORDER BY retires_at, id), '[]') FROM due) AS due,
      (SELECT count(*)::int FROM examined) AS "examinedCount",
      (SELECT jsonb_build_object('retires_at', retires_at, 'id', id) FROM examined
        ORDER BY retires_at DESC, id DESC LIMIT 1) AS last`;
  return camelCaseKeys(found) as { due: DueGroup[]; examinedCount: number; last: Position | null };
}

/**
 * Stores why a delete failed and when the next attempt is due. Returns whether it did: not if the group has changed
 * since it was examined, or another server has stored this attempt.
 */
export async function storeProblemOf(
  client: RetirementClient,
  { id, version }: Pick<DueGroup, 'id' | 'version'>,
  problem: Omit<RetirementProblem, 'retryAt'> & { readonly waitSeconds: number },
): Promise<boolean> {
  const { code, message, attempts, waitSeconds } = problem;
  const stored = await client.$executeRaw`
    UPDATE groups SET retirement = retirement || jsonb_build_object('problem', jsonb_build_object('code', ${code}::text,
      'message', ${message}::text, 'attempts', ${attempts}::int, 'retry_at', now() + ${waitSeconds}::int * interval '1 second'))
    WHERE id = ${id} AND version = ${version}
      AND coalesce((retirement -> 'problem' ->> 'attempts')::int, 0) = ${attempts}::int - 1`;
  return stored > 0;
}
