import { Prisma } from '../../generated/prisma/client.ts';

const { sql } = Prisma;

/** The size of a table. */
export type TableSize = {
  readonly table: string;
  /** The planner's estimate; null before the first ANALYZE. */
  readonly rows: number | null;
  readonly bytes: number;
  /** The end of the last partition's month, in seconds since 1970; null without partitions. */
  readonly partitionsEnd: number | null;
};

/**
 * Selects the size of tables, as `TableSize`, from the catalogue and the file system: no row is counted. The estimate
 * of a partitioned table is that of its partitions, so that they do not count twice.
 */
export function writeTableSizes(tables: readonly string[]): Prisma.Sql {
  return sql`
    SELECT "table", rows, bytes, "partitionsEnd"
    FROM unnest(${tables}::text[]) AS "table", LATERAL (
      SELECT sum(greatest(reltuples, 0)) FILTER (WHERE relkind = 'r' AND reltuples >= 0)::float8 AS rows,
        coalesce(sum(pg_total_relation_size(pg_class.oid)), 0)::float8 AS bytes
      FROM pg_class
      WHERE pg_class.oid = "table"::regclass
        OR pg_class.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = "table"::regclass)
    ) AS size, LATERAL (
      SELECT extract(epoch FROM max(until))::float8 AS "partitionsEnd" FROM month_partitions("table"::regclass)
    ) AS months`;
}

/** The state of the webhooks and of retired groups. */
export type Backlog = {
  readonly healthy: number;
  readonly retrying: number;
  readonly failing: number;
  readonly disabled: number;
  readonly pending: number;
  /** The age of the oldest pending delivery's event in seconds; null without one. */
  readonly deliveryLag: number | null;
  /** The age of the oldest event that is not a delivery yet in seconds; null without one. */
  readonly readLag: number | null;
  readonly retiredDue: number;
};

/** Deliveries by RADIUS that wait for an attempt: the first one, or a retry. */
export type RadiusBacklog = { readonly first: number; readonly retry: number };

/** Deliveries by RADIUS that are counted. */
const maxRadius = Prisma.raw('10000');

/** Selects the one row of `RadiusBacklog`, from the partial index of pending deliveries. */
export function writeRadiusBacklog(): Prisma.Sql {
  return sql`
    SELECT count(*) FILTER (WHERE attempts = 0)::int AS first, count(*) FILTER (WHERE attempts > 0)::int AS retry
    FROM (SELECT attempts FROM radius_deliveries WHERE status = 'pending' LIMIT ${maxRadius}) AS pending`;
}

/** Audit events that are examined after the cursor of an endpoint: most are events. */
const maxUnread = Prisma.raw('2000');
/** Retired groups that are counted. */
const maxRetired = Prisma.raw('1000');

/**
 * Selects the one row of `Backlog`. `eventOperations` are the operations of the audit log that are events. All parts
 * read an index with a limit: 50,000 deliveries of an endpoint can be pending, whose ids are in an index.
 */
export function writeBacklog(eventOperations: readonly string[]): Prisma.Sql {
  return sql`
    WITH endpoint AS (
      SELECT id, cursor, disabled_at IS NOT NULL AS is_disabled, failing_since IS NOT NULL AS is_failing,
        unavailable_since IS NOT NULL AS is_unavailable
      FROM webhook_endpoints
    ), pending AS (
      SELECT count, (SELECT event_at FROM webhook_deliveries WHERE id = oldest) AS oldest_at
      FROM endpoint, LATERAL (
        SELECT count(*) AS count, min(id) AS oldest FROM webhook_deliveries
        WHERE endpoint_id = endpoint.id AND status = 'pending'
      ) AS deliveries
      WHERE NOT is_disabled
    ), unread AS (
      SELECT min(at) AS oldest_at
      FROM (SELECT DISTINCT split_part(cursor, '-', 1)::bigint AS audit_id FROM endpoint WHERE NOT is_disabled) AS position,
        LATERAL (
          SELECT at FROM (
            SELECT at, outcome, operation FROM audit_events
            WHERE audit_events.id > position.audit_id AND at > now() - interval '8 days'
            ORDER BY audit_events.id LIMIT ${maxUnread}
          ) AS later
          WHERE outcome = 'done' AND operation = ANY (${eventOperations}::text[])
        ) AS events
    )
    SELECT
      count(*) FILTER (WHERE NOT is_disabled AND NOT is_failing AND NOT is_unavailable)::int AS healthy,
      count(*) FILTER (WHERE NOT is_disabled AND NOT is_failing AND is_unavailable)::int AS retrying,
      count(*) FILTER (WHERE NOT is_disabled AND is_failing)::int AS failing,
      count(*) FILTER (WHERE is_disabled)::int AS disabled,
      (SELECT coalesce(sum(count), 0)::int FROM pending) AS pending,
      (SELECT extract(epoch FROM now() - min(oldest_at))::float8 FROM pending) AS "deliveryLag",
      (SELECT extract(epoch FROM now() - oldest_at)::float8 FROM unread) AS "readLag",
      (SELECT count(*)::int FROM (
        SELECT FROM groups WHERE retires_at <= now() LIMIT ${maxRetired}
      ) AS retired) AS "retiredDue"
    FROM endpoint`;
}
