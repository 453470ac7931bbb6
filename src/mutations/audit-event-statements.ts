import { customPlan } from '../database/prepared-statements.ts';
import { Prisma } from '../generated/prisma/client.ts';
import { countLimit } from '../validation/total-count.ts';
import type { AuditFilter, AuditSearch } from './audit-event-search.ts';
import { timeOf, writeTimeBounds, writeTimeCondition } from './audit-time-statements.ts';

const { sql, join, raw } = Prisma;

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

/** The condition of a filter on the targets, for a statement that reads all events. */
export function writeTargetCondition({ targetId: target }: AuditFilter): Prisma.Sql {
  if (target === undefined) return sql`true`;
  return sql`(target_ids[1] = ${target} OR target_ids[2] = ${target}
    OR cardinality(target_ids) > 2 AND target_ids @> ARRAY[${target}])`;
}

/** The conditions of a filter except for the target. */
export function writeConditions(filter: AuditFilter): Prisma.Sql {
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
