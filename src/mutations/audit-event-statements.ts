import { customPlan } from '../database/prepared-statements.ts';
import { Prisma } from '../generated/prisma/client.ts';
import { countLimit } from '../validation/total-count.ts';
import type { AuditFilter, AuditSearch } from './audit-event-search.ts';
import {
  timeOf,
  writeBounds,
  writeOutOfOrderEvents,
  writeTimeBounds,
  writeTimeCondition,
} from './audit-time-statements.ts';

/**
 * A subset of the audit events: a query for their newest ids, with the times that say in which partition each is, and
 * the CTEs that it needs.
 */
type Source = { readonly ctes: readonly Prisma.Sql[]; readonly newestIds: Prisma.Sql };

const { sql, join, raw } = Prisma;
const maxId = 2n ** 63n - 1n;

/**
 * Planner settings for the transaction of a page: a sequential scan is never right, and JIT compilation takes longer
 * than the statement itself. Planning for many months takes longer than both, so that it is done once for all values:
 * the execution excludes the partitions of other months.
 */
export const preparePage = sql`
  SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true),
    set_config('plan_cache_mode', 'force_generic_plan', true)`;

/**
 * Writes the statement that returns one page, newest first, and one more event if there are more: `id`, and `row` as
 * JSON.
 *
 * For `ORDER BY id LIMIT 50`, the planner may scan the primary key until 50 events match: all events, if the value is
 * rare. So each part of this statement permits one index only. The indexes have some filter columns first, then the id.
 * The statement finds the existing combinations of these columns by a skip scan, reads the newest events of each in
 * index order, and merges them: its cost depends on the page size alone.
 */
export function writeAuditPageStatement({ filter, first, after }: AuditSearch): Prisma.Sql {
  const limit = first + 1;
  const sources = [...writeSources(filter, limit), ...writeOutOfOrderSources(filter, limit)];
  const newest = after === undefined ? maxId : after - 1n;
  const ctes = [
    ...writeBounds(filter, newest),
    ...sources.flatMap((source) => source.ctes),
    sql`page AS MATERIALIZED (
      SELECT id, at FROM (${join(
        sources.map(({ newestIds }) => sql`(${newestIds})`),
        ' UNION ALL ',
      )}) AS source ORDER BY id DESC LIMIT ${limit})`,
  ];
  return sql`WITH RECURSIVE ${join(ctes, ', ')}
    SELECT audit_events.id, to_jsonb(audit_events) AS row FROM page JOIN audit_events USING (id, at) ORDER BY id DESC`;
}

/** Writes the statement that counts the events that match a filter, up to `countLimit`, as `count`. */
export function writeAuditCountStatement({ filter }: Pick<AuditSearch, 'filter'>): Prisma.Sql {
  return sql`
    SELECT count(*)::int AS count FROM (SELECT FROM audit_events
    WHERE at >= ${timeOf(filter.from, '-infinity')} AND at < ${timeOf(filter.to, 'infinity')}
      AND ${writeTimeCondition(filter)} AND ${writeTargetCondition(filter)}
      AND ${writeConditions({ ...filter, from: undefined, to: undefined })}
    LIMIT ${countLimit}) AS counted
    ${raw(customPlan)}`;
}

/**
 * Writes the statement that returns the first `limit` events after the id `after`, and those of the ids in `missing`
 * that exist by now, oldest first: `id`, and `row` as JSON, which is null if the event does not match the filter.
 */
export function writeNewEventsStatement(
  filter: AuditFilter,
  after: bigint,
  missing: readonly bigint[],
  limit: number,
): Prisma.Sql {
  const matches = sql`${writeTargetCondition(filter)} AND ${writeConditions(filter)}`;
  return sql`
    SELECT id, CASE WHEN ${matches} THEN to_jsonb(event) END AS row FROM (
      (SELECT * FROM audit_events WHERE id > ${after}::bigint ORDER BY id LIMIT ${limit})
      UNION ALL
      (SELECT * FROM audit_events WHERE id = ANY (${missing.map(String)}::text[]::bigint[]))
    ) AS event ORDER BY id
    ${raw(customPlan)}`;
}

/**
 * Writes the statement that returns where to start following the log, as `after`: before the first event since a time,
 * else after the newest event. `missing` are ids before it without an event, as text, among the last `window` ids.
 */
export function writeFollowStartStatement(since: Date | undefined, window: number): Prisma.Sql {
  const first =
    since === undefined
      ? sql`NULL::bigint`
      : sql`(SELECT min(id / 1) - 1 FROM audit_events WHERE ${writeTimeCondition({ from: since })})`;
  return sql`
    WITH start AS MATERIALIZED (
      SELECT coalesce(${first}, max(id), 0) AS after FROM audit_events
    )
    SELECT after, ARRAY(
      SELECT id::text FROM generate_series(greatest(after - ${window}::int + 1, 1), after) AS series (id)
      WHERE NOT EXISTS (SELECT FROM audit_events WHERE audit_events.id = series.id)
    ) AS missing FROM start
    ${raw(customPlan)}`;
}

/** Returns disjoint subsets of the matching events, each of which one index can find. */
function writeSources(filter: AuditFilter, limit: number): Source[] {
  const { targetId: target, requestId, account, operation, outcome, errorCode } = filter;
  if (requestId !== undefined) {
    const isTarget = target === undefined ? sql`true` : sql`target_ids @> ARRAY[${target}]`;
    return [writeOrderedSource(sql`request_id = ${requestId} AND ${isTarget}`, filter, limit)];
  }
  if (target !== undefined) {
    const isFirst = sql`target_ids[1] = ${target}`;
    const isSecond = sql`target_ids[2] = ${target} AND target_ids[1] <> ${target}`;
    return [
      writeCombinedSource({ name: 'first_target', order: sql`(id * 1)`, prefix: isFirst }, filter, limit),
      writeCombinedSource({ name: 'second_target', order: sql`(id * 1)`, prefix: isSecond }, filter, limit),
      writeManyTargetsSource(target, filter, limit),
    ];
  }
  if (account !== undefined) {
    const index = { name: 'of_account', order: sql`(id - 0)`, prefix: sql`account = ${account}` };
    return [writeCombinedSource(index, filter, limit)];
  }
  if (operation !== undefined || outcome !== undefined || errorCode !== undefined) {
    const index = { name: 'of_any', order: sql`(id + 0)`, prefix: sql`true` };
    return [writeCombinedSource(index, filter, limit)];
  }
  return [writeOrderedSource(sql`true`, filter, limit)];
}

/** Events that an index has in the order of their ids. */
function writeOrderedSource(condition: Prisma.Sql, filter: AuditFilter, limit: number): Source {
  const newestIds = sql`
    SELECT id, at FROM audit_events
    WHERE ${condition} AND ${writeConditions(filter)}
      AND id > (SELECT above FROM bounds) AND id <= (SELECT up_to FROM bounds)
    ORDER BY id DESC LIMIT ${limit}`;
  return { ctes: [], newestIds };
}

/**
 * Events that match `prefix`, which an index has in the order of `(operation, outcome, coalesce(error_code, ''),
 * order)`. There are at most a few hundred combinations of the first three. `order` is the id, written as in no other
 * index.
 */
function writeCombinedSource(
  { name, order, prefix }: { name: string; order: Prisma.Sql; prefix: Prisma.Sql },
  filter: AuditFilter,
  limit: number,
): Source {
  const { operation, outcome, errorCode } = filter;
  const combination = sql`operation, outcome, coalesce(error_code, '') AS code`;
  const inOrder = sql`ORDER BY operation, outcome, coalesce(error_code, '') LIMIT 1`;
  const [within, isNext] =
    operation === undefined
      ? [
          prefix,
          sql`(operation, outcome, coalesce(error_code, '')) > (seen.operation, seen.outcome, seen.code)`,
        ]
      : [
          sql`${prefix} AND operation = ${operation}`,
          sql`(outcome, coalesce(error_code, '')) > (seen.outcome, seen.code)`,
        ];
  const cte = sql`${raw(name)} AS (
      (SELECT ${combination} FROM audit_events WHERE ${within} ${inOrder})
      UNION ALL
      SELECT next.* FROM ${raw(name)} AS seen, LATERAL (
        SELECT ${combination} FROM audit_events WHERE ${within} AND ${isNext} ${inOrder}) AS next)`;
  const newestIds = sql`
    SELECT event.id, event.at FROM ${raw(name)} AS seen, LATERAL (
      SELECT id, at FROM audit_events
      WHERE ${prefix} AND operation = seen.operation AND outcome = seen.outcome
        AND coalesce(error_code, '') = seen.code
        AND ${order} > (SELECT above FROM bounds) AND ${order} <= (SELECT up_to FROM bounds)
        AND ${writeConditions({ ...filter, operation: undefined, outcome: undefined, errorCode: undefined })}
      ORDER BY ${order} DESC LIMIT ${limit}) AS event
    WHERE ${outcome === undefined ? sql`true` : sql`seen.outcome = ${outcome}`}
      AND ${errorCode === undefined ? sql`true` : sql`seen.code = ${errorCode}`}
    ORDER BY id DESC LIMIT ${limit}`;
  return { ctes: [cte], newestIds };
}

/** Events with three or more targets that have the target after the first two. They are few and unordered. */
function writeManyTargetsSource(target: string, filter: AuditFilter, limit: number): Source {
  const newestIds = sql`
    SELECT id, at FROM (
      SELECT * FROM audit_events WHERE cardinality(target_ids) > 2 AND target_ids @> ARRAY[${target}]
        AND ${writeTimeBounds(filter)} OFFSET 0
    ) AS event
    WHERE target_ids[1] <> ${target} AND target_ids[2] <> ${target} AND ${writeConditions(filter)}
      AND id > (SELECT above FROM bounds) AND id <= (SELECT up_to FROM bounds)
    ORDER BY id DESC LIMIT ${limit}`;
  return { ctes: [], newestIds };
}

/** The matching events whose ids are outside the boundaries of the times. */
function writeOutOfOrderSources(filter: AuditFilter, limit: number): Source[] {
  const { targetId: target } = filter;
  const isTarget = target === undefined ? sql`true` : sql`target_ids @> ARRAY[${target}]`;
  return writeOutOfOrderEvents(filter).map((events) => ({
    ctes: [],
    newestIds: sql`
      SELECT id, at FROM (${events}) AS event
      WHERE ${isTarget} AND ${writeConditions(filter)} ORDER BY id DESC LIMIT ${limit}`,
  }));
}

/** The condition of a filter on the targets, for a statement that reads all events. */
function writeTargetCondition({ targetId: target }: AuditFilter): Prisma.Sql {
  if (target === undefined) return sql`true`;
  return sql`(target_ids[1] = ${target} OR target_ids[2] = ${target}
    OR cardinality(target_ids) > 2 AND target_ids @> ARRAY[${target}])`;
}

/** The conditions of a filter except for the target. */
function writeConditions(filter: AuditFilter): Prisma.Sql {
  const { from, to, account, operation, outcome, errorCode, requestId } = filter;
  return join(
    [
      writeTimeBounds({ from, to }),
      ...(account === undefined ? [] : [sql`account = ${account}`]),
      ...(operation === undefined ? [] : [sql`operation = ${operation}`]),
      ...(outcome === undefined ? [] : [sql`outcome = ${outcome}`]),
      ...(errorCode === undefined ? [] : [sql`coalesce(error_code, '') = ${errorCode}`]),
      ...(requestId === undefined ? [] : [sql`request_id = ${requestId}`]),
    ],
    ' AND ',
  );
}
