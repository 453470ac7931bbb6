import { Prisma } from '../generated/prisma/client.ts';
import type { RowJson } from '../database/row-json.ts';
import type { EventPosition } from './event-position.ts';

const { sql, raw } = Prisma;

/**
 * How long events can be read. Not a setting: clients rely on the day that docs/events.md promises, and the others are
 * for the repair of a receiver.
 */
export const feedDays = 7;
/** Selects the partitions. An audit event has the time at which its transaction began, at most a day before. */
const isRecent = sql`at > now() - ${raw(`interval '${feedDays + 1} days'`)}`;

/** The maximum number of audit events that one statement reads. */
export const maxCount = 200;
/** After this size of the rows, a statement reads no further audit event: one of `deleteGroups` may have megabytes. */
const maxBytes = raw(String(2 * 1024 * 1024));

/** A row of the statement that reads the feed. Without audit events, there is one row, whose `id` is null. */
export type FeedRow = {
  /** Whether the audit event of the position exists. */
  readonly isStored: boolean;
  /** Whether it exists, or is so old that it may have been dropped. */
  readonly isKnown: boolean;
  readonly id: bigint | null;
  readonly at: Date;
  /** The audit event as JSON; null if its call was not executed, or is none of `operations`. */
  readonly row: RowJson | null;
  /** The number of audit events that were read, before those after `maxBytes` were dropped. */
  readonly readCount: number;
};

/**
 * Writes the statement that reads the audit events from a position on, in the order of their ids. Those of other
 * operations have no row, which saves PostgreSQL and the server most of the work for them.
 */
export function writeFeedStatement(
  { auditId, atMs, index }: EventPosition,
  operations: readonly string[],
): Prisma.Sql {
  const firstId = index === Infinity ? auditId + 1n : auditId;
  return sql`
    SELECT position.is_stored AS "isStored", position.is_known AS "isKnown", event.id, event.at, event.row, event.read_count AS "readCount"
    FROM (${writeIsKnown({ auditId, atMs })}) AS position
    LEFT JOIN (
      SELECT id, at, read_count, CASE WHEN outcome = 'done' AND operation = ANY (${operations}::text[])
        THEN to_jsonb(sized) - '{read_count,size_before}'::text[] END AS row
      FROM (
        SELECT *, count(*) OVER ()::int AS read_count, sum(coalesce(pg_column_size(before), 0) + coalesce(pg_column_size(after), 0))
          OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS size_before
        FROM (
          SELECT * FROM audit_events WHERE id >= ${firstId}::bigint AND ${isRecent}
          ORDER BY id LIMIT ${raw(String(maxCount))}
        ) AS read
      ) AS sized
      WHERE coalesce(size_before, 0) < ${maxBytes}
    ) AS event ON true
    ORDER BY event.id`;
}

/**
 * A position without an audit event, or with one that may have been dropped, counts as known: an old one, or one before
 * all that are stored.
 */
function writeIsKnown({ auditId, atMs }: Pick<EventPosition, 'auditId' | 'atMs'>): Prisma.Sql {
  const at = sql`${new Date(atMs).toISOString()}::timestamptz`;
  return sql`
    SELECT is_stored, is_stored OR ${at} < now() - ${raw(`interval '${feedDays} days'`)}
      OR ${writeIsOldest(auditId)} AS is_known
    FROM (SELECT EXISTS (SELECT FROM audit_events WHERE id = ${auditId}::bigint AND at = ${at}) AS is_stored) AS stored`;
}

/** The condition that no audit event with an id up to this one is stored. */
function writeIsOldest(auditId: bigint): Prisma.Sql {
  return sql`NOT EXISTS (SELECT FROM audit_events WHERE id <= ${auditId}::bigint)`;
}

/**
 * Writes the statement that returns as `isMissed` whether audit events between two ids are too old to be read, or may
 * have been dropped.
 */
export function writeIsMissed(afterId: bigint, beforeId: bigint): Prisma.Sql {
  return sql`
    SELECT ${writeIsOldest(afterId)} OR EXISTS (
      SELECT FROM audit_events WHERE id > ${afterId}::bigint AND id < ${beforeId}::bigint AND NOT (${isRecent})
    ) AS "isMissed"`;
}

/** Writes the statement that reads the audit event at a position as `row`, if its call was executed. */
export function writeFindStatement({ auditId, atMs }: EventPosition): Prisma.Sql {
  return sql`
    SELECT to_jsonb(audit_events) AS row FROM audit_events
    WHERE id = ${auditId}::bigint AND at = ${new Date(atMs).toISOString()}::timestamptz AND outcome = 'done'`;
}

/** Reads the newest audit event, as `id` and `at`. */
export const readNewest = sql`SELECT id, at FROM audit_events ORDER BY id DESC LIMIT 1`;

/** Reads the audit event before the first missing id among the newest `maxCount`, if an id is missing. */
export const readFirstGap = sql`
  SELECT id, at FROM (
    SELECT id, at, lead(id) OVER (ORDER BY id) AS next FROM (
      SELECT id, at FROM audit_events ORDER BY id DESC LIMIT ${raw(String(maxCount))}
    ) AS newest
  ) AS numbered WHERE next > id + 1 ORDER BY id LIMIT 1`;

/**
 * Reads the transactions that may have written audit events, and have not ended: they lock the table from before the
 * id is assigned until the audit event is visible to others. Any role may read pg_locks.
 */
export const readWriters = sql`
  SELECT virtualtransaction AS writer FROM pg_locks
  WHERE locktype = 'relation' AND relation = 'audit_events'::regclass AND mode = 'RowExclusiveLock' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
