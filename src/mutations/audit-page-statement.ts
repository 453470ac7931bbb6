import { Prisma } from '../generated/prisma/client.ts';
import type { AuditFilter, AuditSearch } from './audit-event-search.ts';
import { writeConditions, writeTargetCondition } from './audit-event-statements.ts';
import {
  toBoundaries,
  writeBounds,
  writeMonthBounds,
  writeOutOfOrderEvents,
  writeTimeBounds,
  type Boundaries,
  type MonthRow,
} from './audit-time-statements.ts';

/**
 * A subset of the audit events: a query for their newest ids, with the times that say in which partition each is, and
 * the CTEs that it needs.
 */
type Source = { readonly ctes: readonly Prisma.Sql[]; readonly newestIds: Prisma.Sql };

const { sql, join, raw } = Prisma;
const maxId = 2n ** 63n - 1n;

/** How many events are looked through before the indexes of the filters are read. */
const recentCount = raw('2000');

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
 * rare. So each part of this statement permits one index only. The newest `recentCount` events are read by the primary
 * key: of a frequent value, they fill the page. Otherwise, the indexes are read that have some filter columns first,
 * then the id. The statement finds the existing combinations of these columns by a skip scan, reads the newest events
 * of each in index order, and merges them: its cost depends on the page size and the number of months alone. `months`,
 * those of `from` and `to`, exclude the others from each part.
 */
export function writeAuditPageStatement(
  { filter, first, after }: AuditSearch,
  months: readonly MonthRow[],
): Prisma.Sql {
  const limit = first + 1;
  const boundaries = toBoundaries(filter, months);
  const sources = [
    ...writeSources(filter, boundaries, limit),
    ...writeOutOfOrderSources(filter, boundaries, limit),
  ];
  const newest = after === undefined ? maxId : after - 1n;
  const ctes = [
    ...writeBounds(boundaries, newest),
    ...sources.flatMap((source) => source.ctes),
    sql`page AS MATERIALIZED (
      SELECT id, at FROM (${join(
        sources.map(({ newestIds }) => sql`(${newestIds})`),
        ' UNION ALL ',
      )}) AS source ORDER BY id DESC LIMIT ${limit})`,
  ];
  return sql`WITH RECURSIVE ${join(ctes, ', ')}
    SELECT id, to_jsonb(event) AS row
    FROM page JOIN (SELECT * FROM audit_events WHERE ${writeTimeBounds(filter)}) AS event USING (id, at)
    ORDER BY id DESC`;
}

/** Returns disjoint subsets of the matching events, each of which one index can find. */
function writeSources(filter: AuditFilter, boundaries: Boundaries, limit: number): Source[] {
  const { targetId: target, requestId, account, operation, outcome, errorCode } = filter;
  if (requestId !== undefined) return [writeOrderedSource(filter, limit)];
  const combined = (name: string, order: Prisma.Sql, prefix: Prisma.Sql) =>
    writeCombinedSource({ name, order, prefix, months: writeMonthBounds(boundaries) }, filter, limit);
  if (target !== undefined) {
    const isFirst = sql`target_ids[1] = ${target}`;
    const isSecond = sql`target_ids[2] = ${target} AND target_ids[1] <> ${target}`;
    return [
      writeRecentSource(filter, limit),
      combined('first_target', sql`(id * 1)`, isFirst),
      combined('second_target', sql`(id * 1)`, isSecond),
      writeManyTargetsSource(target, filter, limit),
    ];
  }
  if (account !== undefined) {
    const isOfAccount = sql`account = ${account}`;
    return [writeRecentSource(filter, limit), combined('of_account', sql`(id - 0)`, isOfAccount)];
  }
  if (operation !== undefined || outcome !== undefined || errorCode !== undefined) {
    return [writeRecentSource(filter, limit), combined('of_any', sql`(id + 0)`, sql`true`)];
  }
  return [writeOrderedSource(filter, limit)];
}

/**
 * The newest `recentCount` events that match, as a source that defines `older`: the bounds of the other events, without
 * a row if these fill the page or there are no others. Sources of other events read nothing then.
 */
function writeRecentSource(filter: AuditFilter, limit: number): Source {
  const ctes = [
    // Executed only as far as the others read it.
    sql`newest_events AS MATERIALIZED (
      SELECT id, at, account, operation, target_ids, outcome, error_code FROM audit_events
      WHERE id > (SELECT above FROM bounds) AND id <= (SELECT up_to FROM bounds) AND ${writeTimeBounds(filter)}
      ORDER BY id DESC LIMIT ${recentCount})`,
    sql`recent AS MATERIALIZED (
      SELECT id, at FROM newest_events
      WHERE ${writeTargetCondition(filter)} AND ${writeConditions(filter)} ORDER BY id DESC LIMIT ${limit})`,
    sql`older AS MATERIALIZED (
      SELECT (SELECT above FROM bounds) AS above, min(id) - 1 AS up_to FROM newest_events
      WHERE (SELECT count(*) FROM recent) < ${limit} HAVING count(*) = ${recentCount})`,
  ];
  return { ctes, newestIds: sql`SELECT id, at FROM recent` };
}

/** The condition, evaluated once, that there are older events to read, and the condition on their ids. */
const hasOlder = sql`(SELECT count(*) FROM older) > 0`;
const isOlder = (id: Prisma.Sql) =>
  sql`${id} > (SELECT above FROM older) AND ${id} <= (SELECT up_to FROM older)`;

/**
 * Events that an index has in the order of their ids: the primary key, or that of the request ids. A condition on the
 * id alone would permit the primary key for a request id, of which all events between two times may have to be read.
 */
function writeOrderedSource(filter: AuditFilter, limit: number): Source {
  const { requestId, targetId: target } = filter;
  const isTarget = target === undefined ? sql`true` : sql`target_ids @> ARRAY[${target}]`;
  const [key, keyOf] =
    requestId === undefined
      ? [sql`id`, (id: Prisma.Sql) => id]
      : [sql`(request_id, id)`, (id: Prisma.Sql) => sql`(${requestId}, ${id})`];
  const newestIds = sql`
    SELECT id, at FROM audit_events
    WHERE ${isTarget} AND ${writeConditions(filter)}
      AND ${key} > ${keyOf(sql`(SELECT above FROM bounds)`)} AND ${key} <= ${keyOf(sql`(SELECT up_to FROM bounds)`)}
    ORDER BY id DESC LIMIT ${limit}`;
  return { ctes: [], newestIds };
}

/**
 * Events that match `prefix`, which an index has in the order of `(operation, outcome, coalesce(error_code, ''),
 * order)`. There are at most a few hundred combinations of the first three; the search starts before the first one.
 * `order` is the id, written as in no other index.
 */
function writeCombinedSource(
  index: { name: string; order: Prisma.Sql; prefix: Prisma.Sql; months: Prisma.Sql },
  filter: AuditFilter,
  limit: number,
): Source {
  const { name, order, prefix, months } = index;
  const { operation, outcome, errorCode } = filter;
  const isNext =
    operation === undefined
      ? sql`(operation, outcome, coalesce(error_code, '')) > (seen.operation, seen.outcome, seen.code)`
      : sql`operation = ${operation} AND (outcome, coalesce(error_code, '')) > (seen.outcome, seen.code)`;
  const cte = sql`${raw(name)} (operation, outcome, code) AS (
      SELECT ${operation ?? ''}::text, '', ''
      UNION ALL
      SELECT next.* FROM ${raw(name)} AS seen, LATERAL (
        SELECT operation, outcome, coalesce(error_code, '') FROM audit_events
        WHERE ${prefix} AND ${isNext} AND ${months}
        ORDER BY operation, outcome, coalesce(error_code, '') LIMIT 1) AS next)`;
  const newestIds = sql`
    SELECT event.id, event.at FROM ${raw(name)} AS seen, LATERAL (
      SELECT id, at FROM audit_events
      WHERE ${prefix} AND operation = seen.operation AND outcome = seen.outcome
        AND coalesce(error_code, '') = seen.code
        AND ${isOlder(order)}
        AND ${writeConditions({ ...filter, operation: undefined, outcome: undefined, errorCode: undefined })}
      ORDER BY ${order} DESC LIMIT ${limit}) AS event
    WHERE ${hasOlder} AND seen.outcome ${outcome === undefined ? sql`<> ''` : sql`= ${outcome}`}
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
function writeOutOfOrderSources(filter: AuditFilter, boundaries: Boundaries, limit: number): Source[] {
  const { targetId: target } = filter;
  const isTarget = target === undefined ? sql`true` : sql`target_ids @> ARRAY[${target}]`;
  return writeOutOfOrderEvents(filter, boundaries).map((events) => ({
    ctes: [],
    newestIds: sql`
      SELECT id, at FROM (${events}) AS event
      WHERE ${isTarget} AND ${writeConditions(filter)} ORDER BY id DESC LIMIT ${limit}`,
  }));
}
