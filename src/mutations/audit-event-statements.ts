import { customPlan } from '../database/prepared-statements.ts';
import { Prisma } from '../generated/prisma/client.ts';
import type { AuditFilter, AuditSearch } from './audit-event-search.ts';

/** Some entries of the audit: the CTEs that a query of their newest ids needs, and that query. */
type Source = { readonly ctes: readonly Prisma.Sql[]; readonly newestIds: Prisma.Sql };

const { sql, join, raw } = Prisma;
const maxId = 2n ** 63n - 1n;

/**
 * Sets, for the transaction of a page, what the planner cannot know without statistics: to read the whole table is never right,
 * and to compile the statement takes longer than to run it.
 */
export const preparePage = sql`SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)`;

/**
 * Writes the statement that returns one page, newest first, and one entry more if there are more: `id`, and `row` as JSON.
 *
 * A planner that reads `ORDER BY id LIMIT 50` may read the primary key until 50 entries match: all entries, if the value is
 * rare. So each part of this statement permits one index only. An index of the audit has some columns that filters compare, then
 * the id. The statement finds the combinations of these columns that exist, by skipping from one to the next, reads the newest
 * entries of each in the order of the index, and merges them: the cost depends on the size of the page alone.
 */
export function writeAuditPageStatement({ filter, first, after }: AuditSearch): Prisma.Sql {
  const limit = first + 1;
  const sources = [...writeSources(filter, limit), ...writeOutOfOrderSources(filter, limit)];
  const newest = after === undefined ? maxId : after - 1n;
  const ctes = [
    sql`newest AS MATERIALIZED (SELECT ${newest}::bigint AS id)`,
    ...(filter.from === undefined ? [] : [writeBoundarySearch('before_from', filter.from)]),
    ...(filter.to === undefined ? [] : [writeBoundarySearch('before_to', filter.to)]),
    sql`bounds AS MATERIALIZED (
      SELECT ${filter.from === undefined ? sql`-1::bigint` : lastIdOf('before_from')} AS above,
        ${filter.to === undefined ? sql`id` : sql`least(id, ${lastIdOf('before_to')})`} AS up_to
      FROM newest)`,
    ...sources.flatMap((source) => source.ctes),
    sql`page AS MATERIALIZED (
      SELECT id FROM (${join(
        sources.map(({ newestIds }) => sql`(${newestIds})`),
        ' UNION ALL ',
      )}) AS found ORDER BY id DESC LIMIT ${limit})`,
  ];
  return sql`WITH RECURSIVE ${join(ctes, ', ')}
    SELECT audit_events.id, to_jsonb(audit_events) AS row FROM page JOIN audit_events USING (id) ORDER BY id DESC
    ${raw(customPlan)}`;
}

/** Writes the statement that counts the entries that match a filter, as `count`. Its cost grows with that number. */
export function writeAuditCountStatement({ filter }: Pick<AuditSearch, 'filter'>): Prisma.Sql {
  const { targetId: target } = filter;
  const isTarget =
    target === undefined
      ? sql`true`
      : sql`(target_ids[1] = ${target} OR target_ids[2] = ${target}
          OR cardinality(target_ids) > 2 AND target_ids @> ARRAY[${target}])`;
  return sql`
    SELECT count(*)::int AS count FROM audit_events
    WHERE at >= ${timeOf(filter.from, '-infinity')} AND at < ${timeOf(filter.to, 'infinity')} AND ${isTarget}
      AND ${writeConditions({ ...filter, from: undefined, to: undefined })}
    ${raw(customPlan)}`;
}

/** The parts of the audit that one index each can find, and that no two have in common. */
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

/** Entries that an index holds in the order of their ids. */
function writeOrderedSource(condition: Prisma.Sql, filter: AuditFilter, limit: number): Source {
  const newestIds = sql`
    SELECT id FROM audit_events
    WHERE ${condition} AND ${writeConditions(filter)}
      AND id > (SELECT above FROM bounds) AND id <= (SELECT up_to FROM bounds)
    ORDER BY id DESC LIMIT ${limit}`;
  return { ctes: [], newestIds };
}

/**
 * Entries that an index has in the order of `(operation, outcome, coalesce(error_code, ''), order)` if `prefix` holds. There are
 * at most a few hundred combinations of the first three. `order` is the id as no other index has it.
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
          sql`(operation, outcome, coalesce(error_code, '')) > (known.operation, known.outcome, known.code)`,
        ]
      : [
          sql`${prefix} AND operation = ${operation}`,
          sql`(outcome, coalesce(error_code, '')) > (known.outcome, known.code)`,
        ];
  const cte = sql`${raw(name)} AS (
      (SELECT ${combination} FROM audit_events WHERE ${within} ${inOrder})
      UNION ALL
      SELECT next.* FROM ${raw(name)} AS known, LATERAL (
        SELECT ${combination} FROM audit_events WHERE ${within} AND ${isNext} ${inOrder}) AS next)`;
  const newestIds = sql`
    SELECT entry.id FROM ${raw(name)} AS known, LATERAL (
      SELECT id FROM audit_events
      WHERE ${prefix} AND operation = known.operation AND outcome = known.outcome
        AND coalesce(error_code, '') = known.code
        AND ${order} > (SELECT above FROM bounds) AND ${order} <= (SELECT up_to FROM bounds)
        AND ${writeConditions({ ...filter, operation: undefined, outcome: undefined, errorCode: undefined })}
      ORDER BY ${order} DESC LIMIT ${limit}) AS entry
    WHERE ${outcome === undefined ? sql`true` : sql`known.outcome = ${outcome}`}
      AND ${errorCode === undefined ? sql`true` : sql`known.code = ${errorCode}`}
    ORDER BY id DESC LIMIT ${limit}`;
  return { ctes: [cte], newestIds };
}

/** Entries with three targets or more, of which the target is not one of the first two. They are few, and have no order. */
function writeManyTargetsSource(target: string, filter: AuditFilter, limit: number): Source {
  const newestIds = sql`
    SELECT id FROM (
      SELECT * FROM audit_events WHERE cardinality(target_ids) > 2 AND target_ids @> ARRAY[${target}] OFFSET 0
    ) AS entry
    WHERE target_ids[1] <> ${target} AND target_ids[2] <> ${target} AND ${writeConditions(filter)}
      AND id > (SELECT above FROM bounds) AND id <= (SELECT up_to FROM bounds)
    ORDER BY id DESC LIMIT ${limit}`;
  return { ctes: [], newestIds };
}

/**
 * The entries within `from` and `to` whose ids are not within the boundaries that the search for these times found: of
 * transactions that took so long that entries with later times have lower ids.
 */
function writeOutOfOrderSources(filter: AuditFilter, limit: number): Source[] {
  const { from, to, targetId: target } = filter;
  const isTarget = target === undefined ? sql`true` : sql`target_ids @> ARRAY[${target}]`;
  const write = (above: Prisma.Sql, upTo: Prisma.Sql): Source => ({
    ctes: [],
    newestIds: sql`
      SELECT entry.id FROM (
        SELECT * FROM audit_events
        WHERE at >= ${timeOf(from, '-infinity')} AND at < ${timeOf(to, 'infinity')}
          AND (id / 1) > ${above} AND (id / 1) <= ${upTo} OFFSET 0
      ) AS entry
      WHERE ${isTarget} AND ${writeConditions(filter)} ORDER BY entry.id DESC LIMIT ${limit}`,
  });
  return [
    ...(to === undefined ? [] : [write(lastIdOf('before_to'), sql`(SELECT id FROM newest)`)]),
    ...(from === undefined
      ? []
      : [write(sql`-1::bigint`, sql`least((SELECT id FROM newest), ${lastIdOf('before_from')})`)]),
  ];
}

/**
 * Searches the ids by bisection for the boundary between the entries before a time and the others. Were the ids in the order
 * of the times, every entry up to the last `id` would be before it, and no other. Each step reads one entry.
 */
function writeBoundarySearch(name: string, time: Date): Prisma.Sql {
  return sql`${raw(name)} (id, beyond) AS (
      SELECT -1::bigint, coalesce(max(id), 0) + 1 FROM audit_events
      UNION ALL
      SELECT CASE WHEN probe.is_before THEN probe.id ELSE step.id END,
        CASE WHEN probe.is_before THEN step.beyond ELSE (step.id + step.beyond) / 2 END
      FROM ${raw(name)} AS step LEFT JOIN LATERAL (
        SELECT audit_events.id, at < ${timeOf(time, '')} AND audit_events.id < step.beyond AS is_before
        FROM audit_events WHERE audit_events.id >= (step.id + step.beyond) / 2 ORDER BY audit_events.id LIMIT 1
      ) AS probe ON true
      WHERE step.beyond - step.id > 1)`;
}

/** The boundary that a search found: that of its last step. */
function lastIdOf(name: string): Prisma.Sql {
  return sql`(SELECT max(id) FROM ${raw(name)})`;
}

/**
 * What a filter requires of an entry, apart from its target. The times are within CASE, so that the planner uses no index for
 * them and does not expect few entries to match: within the boundaries almost all do.
 */
function writeConditions(filter: AuditFilter): Prisma.Sql {
  const { from, to, account, operation, outcome, errorCode, requestId } = filter;
  const times = sql`at >= ${timeOf(from, '-infinity')} AND at < ${timeOf(to, 'infinity')}`;
  return join(
    [
      sql`true`,
      ...(from === undefined && to === undefined ? [] : [sql`CASE WHEN ${times} THEN true END`]),
      ...(account === undefined ? [] : [sql`account = ${account}`]),
      ...(operation === undefined ? [] : [sql`operation = ${operation}`]),
      ...(outcome === undefined ? [] : [sql`outcome = ${outcome}`]),
      ...(errorCode === undefined ? [] : [sql`coalesce(error_code, '') = ${errorCode}`]),
      ...(requestId === undefined ? [] : [sql`request_id = ${requestId}`]),
    ],
    ' AND ',
  );
}

/** A time as text with its zone: right in a session of any time zone. */
function timeOf(time: Date | undefined, otherwise: string): Prisma.Sql {
  return sql`${time?.toISOString() ?? otherwise}::timestamptz`;
}
