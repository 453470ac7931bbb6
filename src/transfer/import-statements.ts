import { Prisma } from '../generated/prisma/client.ts';
import type { Transaction } from '../mutations/mutation-runner.ts';
import type { RecordKey, RecordKind } from './format.ts';

/**
 * The outcome of a record. It was `added`, restored from the archive (`restored`), or existed already (`unchanged`). It
 * conflicts with existing data if that `differs`, if its group is `archived` with different content, if it is a deleted
 * group that is `live`, or if it would add a subscriber to a group that is `retired`. It is `orphaned` if the record
 * that it refers to does not exist.
 */
type ImportOutcome =
  'added' | 'restored' | 'unchanged' | 'differs' | 'archived' | 'live' | 'retired' | 'orphaned';

/** An outcome that rejects the import. */
export type ConflictOutcome = Extract<ImportOutcome, 'differs' | 'archived' | 'live' | 'retired'>;

const conflictOutcomes: ReadonlySet<string> = new Set(['differs', 'archived', 'live', 'retired']);

/** Returns whether a record conflicts with existing data. */
export function isConflicting(outcome: ImportOutcome): outcome is ConflictOutcome {
  return conflictOutcomes.has(outcome);
}

/** The number of records of a batch with an outcome, and the keys of the first ten of them. */
export type OutcomeCount = {
  readonly outcome: ImportOutcome;
  readonly count: number;
  readonly keys: RecordKey[];
};

/** Removes the retirement from an archived row: a group that an import restores must not be deleted again. */
const notRetired = Prisma.sql`'{"retires_at": null, "retirement": null}'::jsonb`;

/**
 * Imports one batch of a kind, a JSON array of rows with unique keys, by one statement. The tables must be locked
 * against other writers. Conflicting records are left unchanged. Expired records of the archive count as removed, even
 * if they are not purged yet. Columns that a file of an older version lacks get their defaults, and are not compared.
 */
export const importBatch: Record<
  RecordKind,
  (transaction: Transaction, rows: string) => Promise<OutcomeCount[]>
> = {
  serviceGroup: (transaction, rows) => transaction.$queryRaw`
    WITH examined AS MATERIALIZED (
      SELECT imported, CASE
          WHEN present.id IS NULL THEN 'added'
          WHEN present IS DISTINCT FROM jsonb_populate_record(present, line) THEN 'differs'
          ELSE 'unchanged'
        END AS outcome
      FROM jsonb_array_elements(${rows}::jsonb) AS lines (line)
      CROSS JOIN LATERAL jsonb_populate_record(NULL::service_groups, (SELECT row_defaults('service_groups')) || line) AS imported
      LEFT JOIN service_groups AS present ON present.id = imported.id
    ),
    added AS (
      INSERT INTO service_groups OVERRIDING SYSTEM VALUE SELECT (imported).* FROM examined WHERE outcome = 'added'
    )
    SELECT outcome, count(*)::int,
      to_jsonb((array_agg(jsonb_build_array((imported).id) ORDER BY (imported).id))[1:10]) AS keys
    FROM examined GROUP BY outcome`,

  group: (transaction, rows) => transaction.$queryRaw`
    WITH examined AS MATERIALIZED (
      SELECT imported, CASE
          WHEN present.id IS NOT NULL AND present IS DISTINCT FROM jsonb_populate_record(present, line) THEN 'differs'
          WHEN present.id IS NOT NULL THEN 'unchanged'
          WHEN archived.id IS NOT NULL
            AND jsonb_populate_record(NULL::groups, defaults || archived.group_row || ${notRetired})
            IS DISTINCT FROM imported THEN 'archived'
          WHEN imported.service_group_id IS NOT NULL AND service_groups.id IS NULL THEN 'orphaned'
          WHEN archived.id IS NOT NULL THEN 'restored'
          ELSE 'added'
        END AS outcome
      FROM (SELECT row_defaults('groups') AS defaults) AS base
      CROSS JOIN jsonb_array_elements(${rows}::jsonb) AS lines (line)
      LEFT JOIN groups AS present ON present.id = (line ->> 'id')::int
      LEFT JOIN deleted_groups AS archived ON archived.id = (line ->> 'id')::int AND archived.purge_at > now()
      CROSS JOIN LATERAL
        jsonb_populate_record(NULL::groups, defaults || coalesce(archived.group_row, '{}') || ${notRetired} || line) AS imported
      LEFT JOIN service_groups ON service_groups.id = imported.service_group_id
    ),
    unarchived AS (
      DELETE FROM deleted_groups USING examined
      WHERE deleted_groups.id = (imported).id AND outcome IN ('added', 'restored')
    ),
    added AS (
      INSERT INTO groups OVERRIDING SYSTEM VALUE
      SELECT (imported).* FROM examined WHERE outcome IN ('added', 'restored')
    )
    SELECT outcome, count(*)::int,
      to_jsonb((array_agg(jsonb_build_array((imported).id) ORDER BY (imported).id))[1:10]) AS keys
    FROM examined GROUP BY outcome`,

  subscriber: (transaction, rows) => transaction.$queryRaw`
    WITH examined AS MATERIALIZED (
      SELECT imported, CASE
          WHEN present.group_id IS NOT NULL AND present IS DISTINCT FROM jsonb_populate_record(present, line)
            THEN 'differs'
          WHEN present.group_id IS NOT NULL THEN 'unchanged'
          WHEN groups.id IS NULL THEN 'orphaned'
          WHEN groups.retires_at IS NOT NULL THEN 'retired'
          ELSE 'added'
        END AS outcome
      FROM jsonb_array_elements(${rows}::jsonb) AS lines (line)
      CROSS JOIN LATERAL jsonb_populate_record(NULL::subscribers, (SELECT row_defaults('subscribers')) || line) AS imported
      LEFT JOIN subscribers AS present ON present.group_id = imported.group_id AND present.username = imported.username
      LEFT JOIN groups ON groups.id = imported.group_id
    ),
    added AS (INSERT INTO subscribers SELECT (imported).* FROM examined WHERE outcome = 'added')
    SELECT outcome, count(*)::int, to_jsonb((array_agg(jsonb_build_array((imported).group_id, (imported).username)
        ORDER BY (imported).group_id, (imported).username COLLATE "C"))[1:10]) AS keys
    FROM examined GROUP BY outcome`,

  // Compared as rows and stored as group_row() formats them: dates and prices have several JSON representations.
  deletedGroup: (transaction, rows) => transaction.$queryRaw`
    WITH examined AS MATERIALIZED (
      SELECT imported, original, CASE
          WHEN groups.id IS NOT NULL THEN 'live'
          WHEN present.id IS NULL THEN 'added'
          WHEN jsonb_populate_record(NULL::groups, defaults || present.group_row)
              IS DISTINCT FROM jsonb_populate_record(NULL::groups, defaults || present.group_row || imported.group_row)
            OR present IS DISTINCT FROM jsonb_populate_record(present, line - 'group_row')
            THEN 'differs'
          ELSE 'unchanged'
        END AS outcome
      FROM (
        SELECT row_defaults('groups') AS defaults, row_defaults('deleted_groups') AS archive_defaults
      ) AS base
      CROSS JOIN jsonb_array_elements(${rows}::jsonb) AS lines (line)
      CROSS JOIN LATERAL jsonb_populate_record(NULL::deleted_groups, archive_defaults || line) AS imported
      CROSS JOIN LATERAL jsonb_populate_record(NULL::groups, defaults || imported.group_row) AS original
      LEFT JOIN deleted_groups AS present ON present.id = imported.id AND present.purge_at > now()
      LEFT JOIN groups ON groups.id = imported.id
    ),
    added AS (
      INSERT INTO deleted_groups (id, group_row, deleted_at, deleted_by, reason, purge_at, subscribers_moved)
      SELECT (imported).id, group_row(original), (imported).deleted_at, (imported).deleted_by, (imported).reason, (imported).purge_at,
        (imported).subscribers_moved
      FROM examined WHERE outcome = 'added'
      ON CONFLICT (id) DO UPDATE SET group_row = excluded.group_row, deleted_at = excluded.deleted_at,
        deleted_by = excluded.deleted_by, reason = excluded.reason, purge_at = excluded.purge_at,
        subscribers_moved = excluded.subscribers_moved, moved_to = NULL
    ),
    -- Those of an expired row that is replaced.
    unstored AS (
      DELETE FROM moved_subscribers USING examined
      WHERE deleted_group_id = (imported).id AND outcome = 'added'
    )
    SELECT outcome, count(*)::int,
      to_jsonb((array_agg(jsonb_build_array((imported).id) ORDER BY (imported).id))[1:10]) AS keys
    FROM examined GROUP BY outcome`,

  // No two rows conflict: a subscription may be removed any number of times. Of the two indexes, the one on the
  // usernames is the selective one: a group may have many former subscribers.
  formerSubscriber: (transaction, rows) => transaction.$queryRaw`
    WITH examined AS MATERIALIZED (
      SELECT imported, CASE
          WHEN EXISTS (
            SELECT FROM subscriber_history AS present
            WHERE present.username = imported.username AND present.group_id + 0 = imported.group_id
              AND present.removed_at = imported.removed_at AND present.starts_at = imported.starts_at
              AND present.expires_at IS NOT DISTINCT FROM imported.expires_at
          ) THEN 'unchanged'
          WHEN groups.id IS NULL AND deleted_groups.id IS NULL THEN 'orphaned'
          ELSE 'added'
        END AS outcome
      FROM jsonb_populate_recordset(NULL::subscriber_history, ${rows}::jsonb) AS imported
      LEFT JOIN groups ON groups.id = imported.group_id
      LEFT JOIN deleted_groups ON deleted_groups.id = imported.group_id
    ),
    added AS (
      INSERT INTO subscriber_history (group_id, username, starts_at, expires_at, removed_at)
      SELECT (imported).group_id, (imported).username, (imported).starts_at, (imported).expires_at, (imported).removed_at
      FROM examined WHERE outcome = 'added'
    )
    SELECT outcome, count(*)::int, to_jsonb((array_agg(jsonb_build_array((imported).group_id, (imported).username)
        ORDER BY (imported).group_id, (imported).username COLLATE "C"))[1:10]) AS keys
    FROM examined GROUP BY outcome`,
};
