import { Prisma } from '../generated/prisma/client.ts';
import type { AuditFilter, AuditSearch } from './audit-event-search.ts';
import { writeConditions, writeTargetCondition } from './audit-event-statements.ts';
import { writeBounds, writeOutOfOrderEvents, writeTimeBounds } from './audit-time-statements.ts';

/**
 * A subset of the audit events: a query for their newest ids, with the times that say in which partition each is, and
 * the CTEs that it needs.
 */
type Source = { readonly ctes: readonly Prisma.Sql[]; readonly newestIds: Prisma.Sql };

const { sql, join, raw } = Prisma;
const maxId = 2n ** 63n - 1n;

/** How many ids are looked through before the indexes of the filters are read. */
const recentCount = 2000;
const recentIds = raw(String(recentCount));

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
 * rare. So each part of this statement permits one index only. The newest `recentCount` ids are read by the primary
 * key: of a frequent value, they fill the page. Otherwise, the indexes are read that have some filter columns first,
 * then the id. The statement finds the existing combinations of these columns by a skip scan, reads the newest events
 * of each in index order, and merges them: its cost depends on the page size and the number of months alone.
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
      writeRecentSource(filter, limit),
      writeCombinedSource({ name: 'first_target', order: sql`(id * 1)`, prefix: isFirst }, filter, limit),
      writeCombinedSource({ name: 'second_target', order: sql`(id * 1)`, prefix: isSecond }, filter, limit),
      writeManyTargetsSource(target, filter, limit),
    ];
  }
  if (account !== undefined) {
    const index = { name: 'of_account', order: sql`(id - 0)`, prefix: sql`account = ${account}` };
    return [writeRecentSource(filter, limit), writeCombinedSource(index, filter, limit)];
  }
  if (operation !== undefined || outcome !== undefined || errorCode !== undefined) {
    const index = { name: 'of_any', order: sql`(id + 0)`, prefix: sql`true` };
    return [writeRecentSource(filter, limit), writeCombinedSource(index, filter, limit)];
  }
  return [writeOrderedSource(sql`true`, filter, limit)];
}

/**
 * The newest matching events among `recentCount` ids, as a source that defines `older`: the bounds of the other events,
 * without a row if these fill the page or there are no others. Sources of other events read nothing then.
 */
function writeRecentSource(filter: AuditFilter, limit: number): Source {
  const ctes = [
    sql`newest_ids AS MATERIALIZED (
      SELECT above, least(up_to, (SELECT max(id) FROM audit_events)) AS up_to FROM bounds)`,
    sql`recent AS MATERIALIZED (
      SELECT id, at FROM (
        SELECT * FROM audit_events
        WHERE id > (SELECT greatest(above, up_to - ${recentIds}) FROM newest_ids) AND id <= (SELECT up_to FROM newest_ids)
          AND ${writeTimeBounds(filter)} ORDER BY id DESC OFFSET 0
      ) AS event
      WHERE ${writeTargetCondition(filter)} AND ${writeConditions(filter)} ORDER BY id DESC LIMIT ${limit})`,
    sql`older AS MATERIALIZED (
      SELECT above, up_to - ${recentIds} AS up_to FROM newest_ids
      WHERE (SELECT count(*) FROM recent) < ${limit} AND up_to - ${recentIds} > above)`,
  ];
  return { ctes, newestIds: sql`SELECT id, at FROM recent` };
}

/** The condition, evaluated once, that there are older events to read, and the condition on their ids. */
const hasOlder = sql`(SELECT count(*) FROM older) > 0`;
const isOlder = (id: Prisma.Sql) =>
  sql`${id} > (SELECT above FROM older) AND ${id} <= (SELECT up_to FROM older)`;

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
        AND ${isOlder(order)}
        AND ${writeConditions({ ...filter, operation: undefined, outcome: undefined, errorCode: undefined })}
      ORDER BY ${order} DESC LIMIT ${limit}) AS event
    WHERE ${hasOlder} AND ${outcome === undefined ? sql`true` : sql`seen.outcome = ${outcome}`}
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
    WHERE ${hasOlder} AND target_ids[1] <> ${target} AND target_ids[2] <> ${target} AND ${writeConditions(filter)}
      AND ${isOlder(sql`id`)}
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
