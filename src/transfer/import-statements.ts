import type { Transaction } from '../mutations/mutation-runner.ts';
import type { RecordKey, RecordKind } from './format.ts';

/**
 * What becomes of a record. It is `added`, brought back from the archive (`restored`), or was there as it is (`unchanged`).
 * It is in the way where it is there with other content (`differs`), where its group is `archived` with other content, or where it
 * is an archived group that is `live`. It is `orphaned` where what it refers to is nowhere.
 */
export type ImportOutcome = 'added' | 'restored' | 'unchanged' | 'differs' | 'archived' | 'live' | 'orphaned';

/** An outcome that refuses the import. */
export type Obstruction = Extract<ImportOutcome, 'differs' | 'archived' | 'live'>;

/** Returns whether a record has an obstacle in its way. */
export function isObstacle(outcome: ImportOutcome): outcome is Obstruction {
  return outcome === 'differs' || outcome === 'archived' || outcome === 'live';
}

/** How many records of a batch had an outcome, and the keys of the first ten of them. */
export type OutcomeCount = {
  readonly outcome: ImportOutcome;
  readonly count: number;
  readonly keys: RecordKey[];
};

/**
 * Imports one batch of a kind, JSON of rows of which no two have the same key, by one statement. Nobody else may write to the
 * tables meanwhile. What is in the way stays as it is. What has had its time in the archive is gone, whether or not the purge has
 * come by. A file of an older version lacks columns that were added since: they get their defaults, and do not count as a difference.
 */
export const importBatch: Record<
  RecordKind,
  (transaction: Transaction, rows: string) => Promise<OutcomeCount[]>
> = {
  serviceGroup: (transaction, rows) => transaction.$queryRaw`
    WITH examined AS MATERIALIZED (
      SELECT given, CASE
          WHEN present.id IS NULL THEN 'added'
          WHEN present IS DISTINCT FROM jsonb_populate_record(present, line) THEN 'differs'
          ELSE 'unchanged'
        END AS outcome
      FROM jsonb_array_elements(${rows}::jsonb) AS lines (line)
      CROSS JOIN LATERAL jsonb_populate_record(NULL::service_groups, (SELECT row_defaults('service_groups')) || line) AS given
      LEFT JOIN service_groups AS present ON present.id = given.id
    ),
    added AS (
      INSERT INTO service_groups OVERRIDING SYSTEM VALUE SELECT (given).* FROM examined WHERE outcome = 'added'
    )
    SELECT outcome, count(*)::int,
      to_jsonb((array_agg(jsonb_build_array((given).id) ORDER BY (given).id))[1:10]) AS keys
    FROM examined GROUP BY outcome`,

  group: (transaction, rows) => transaction.$queryRaw`
    WITH examined AS MATERIALIZED (
      SELECT given, CASE
          WHEN present.id IS NOT NULL AND present IS DISTINCT FROM jsonb_populate_record(present, line) THEN 'differs'
          WHEN present.id IS NOT NULL THEN 'unchanged'
          WHEN archived.id IS NOT NULL AND jsonb_populate_record(NULL::groups, defaults || archived.group_row)
            IS DISTINCT FROM given THEN 'archived'
          WHEN given.service_group_id IS NOT NULL AND service_groups.id IS NULL THEN 'orphaned'
          WHEN archived.id IS NOT NULL THEN 'restored'
          ELSE 'added'
        END AS outcome
      FROM (SELECT row_defaults('groups') AS defaults) AS base
      CROSS JOIN jsonb_array_elements(${rows}::jsonb) AS lines (line)
      LEFT JOIN groups AS present ON present.id = (line ->> 'id')::int
      LEFT JOIN deleted_groups AS archived ON archived.id = (line ->> 'id')::int AND archived.purge_at > now()
      CROSS JOIN LATERAL
        jsonb_populate_record(NULL::groups, defaults || coalesce(archived.group_row, '{}') || line) AS given
      LEFT JOIN service_groups ON service_groups.id = given.service_group_id
    ),
    taken_out AS (
      DELETE FROM deleted_groups USING examined
      WHERE deleted_groups.id = (given).id AND outcome IN ('added', 'restored')
    ),
    added AS (
      INSERT INTO groups OVERRIDING SYSTEM VALUE
      SELECT (given).* FROM examined WHERE outcome IN ('added', 'restored')
    )
    SELECT outcome, count(*)::int,
      to_jsonb((array_agg(jsonb_build_array((given).id) ORDER BY (given).id))[1:10]) AS keys
    FROM examined GROUP BY outcome`,

  subscriber: (transaction, rows) => transaction.$queryRaw`
    WITH examined AS MATERIALIZED (
      SELECT given, CASE
          WHEN present.group_id IS NOT NULL AND present IS DISTINCT FROM jsonb_populate_record(present, line)
            THEN 'differs'
          WHEN present.group_id IS NOT NULL THEN 'unchanged'
          WHEN groups.id IS NULL THEN 'orphaned'
          ELSE 'added'
        END AS outcome
      FROM jsonb_array_elements(${rows}::jsonb) AS lines (line)
      CROSS JOIN LATERAL jsonb_populate_record(NULL::subscribers, (SELECT row_defaults('subscribers')) || line) AS given
      LEFT JOIN subscribers AS present ON present.group_id = given.group_id AND present.username = given.username
      LEFT JOIN groups ON groups.id = given.group_id
    ),
    added AS (INSERT INTO subscribers SELECT (given).* FROM examined WHERE outcome = 'added')
    SELECT outcome, count(*)::int, to_jsonb((array_agg(jsonb_build_array((given).group_id, (given).username)
        ORDER BY (given).group_id, (given).username COLLATE "C"))[1:10]) AS keys
    FROM examined GROUP BY outcome`,

  // The rows are compared as rows, and kept as group_row() writes them: dates and prices are written in several ways.
  deletedGroup: (transaction, rows) => transaction.$queryRaw`
    WITH examined AS MATERIALIZED (
      SELECT given, original, CASE
          WHEN groups.id IS NOT NULL THEN 'live'
          WHEN present.id IS NULL THEN 'added'
          WHEN jsonb_populate_record(NULL::groups, defaults || present.group_row)
              IS DISTINCT FROM jsonb_populate_record(NULL::groups, defaults || present.group_row || given.group_row)
            OR (present.deleted_at, present.deleted_by, present.reason, present.purge_at, present.subscribers_moved)
              IS DISTINCT FROM
              (given.deleted_at, given.deleted_by, given.reason, given.purge_at, given.subscribers_moved)
            THEN 'differs'
          ELSE 'unchanged'
        END AS outcome
      FROM (SELECT row_defaults('groups') AS defaults) AS base
      CROSS JOIN jsonb_populate_recordset(NULL::deleted_groups, ${rows}::jsonb) AS given
      CROSS JOIN LATERAL jsonb_populate_record(NULL::groups, defaults || given.group_row) AS original
      LEFT JOIN deleted_groups AS present ON present.id = given.id AND present.purge_at > now()
      LEFT JOIN groups ON groups.id = given.id
    ),
    added AS (
      INSERT INTO deleted_groups (id, group_row, deleted_at, deleted_by, reason, purge_at, subscribers_moved)
      SELECT (given).id, group_row(original), (given).deleted_at, (given).deleted_by, (given).reason, (given).purge_at,
        (given).subscribers_moved
      FROM examined WHERE outcome = 'added'
      ON CONFLICT (id) DO UPDATE SET group_row = excluded.group_row, deleted_at = excluded.deleted_at,
        deleted_by = excluded.deleted_by, reason = excluded.reason, purge_at = excluded.purge_at,
        subscribers_moved = excluded.subscribers_moved
    )
    SELECT outcome, count(*)::int,
      to_jsonb((array_agg(jsonb_build_array((given).id) ORDER BY (given).id))[1:10]) AS keys
    FROM examined GROUP BY outcome`,
};
