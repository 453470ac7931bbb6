import type pg from 'pg';
import { failed, passed, warned, type CheckResult } from './check-result.ts';

const name = 'partitions';

/** A table that is partitioned by month, and its column with the time. */
const tables = [
  { table: 'audit_events', column: 'at' },
  { table: 'subscriber_history', column: 'removed_at' },
] as const;

type MissingMonth = {
  /** The first day of the month, as text. */
  readonly month: string;
  readonly until: string;
  readonly has_default: boolean;
};

/**
 * Checks that the current and the next month have a partition in the tables that are partitioned by month, and that the
 * update to partitions is complete. Without these tables there is nothing to check.
 */
export async function checkPartitions(client: pg.Pool): Promise<CheckResult[]> {
  const results: CheckResult[] = [...(await checkLeftConstraints(client))];
  let count = 0;
  for (const { table, column } of tables) {
    const { rows: parents } = await client.query(
      `SELECT FROM pg_class WHERE oid = to_regclass($1) AND relkind = 'p'`,
      [table],
    );
    count += parents.length;
    if (parents.length === 0) continue;
    for (const month of await findMissingMonths(client, table)) {
      results.push(await describeMissing(client, table, column, month));
    }
  }
  return results.length > 0 || count === 0
    ? results
    : [passed(name, 'The current and the next month have their partitions')];
}

async function findMissingMonths(client: pg.Pool, table: string): Promise<MissingMonth[]> {
  // A bound is a text such as FOR VALUES FROM ('2027-01-01 00:00:00+00') TO ('2027-02-01 00:00:00+00').
  const { rows } = await client.query<MissingMonth>(
    `WITH part AS (
       SELECT coalesce(substring(bound FROM 'FROM \\(''([^'']+)''')::timestamptz, '-infinity') AS since,
         coalesce(substring(bound FROM 'TO \\(''([^'']+)''')::timestamptz, 'infinity') AS until, bound = 'DEFAULT' AS is_default
       FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid, pg_get_expr(relpartbound, c.oid) AS bound
       WHERE inhparent = to_regclass($1)
     )
     SELECT to_char(month, 'YYYY-MM-DD') AS month, to_char(month + interval '1 month', 'YYYY-MM-DD') AS until,
       EXISTS (SELECT FROM part WHERE is_default) AS has_default
     FROM date_trunc('month', now()) AS this, unnest(ARRAY[this, this + interval '1 month']) AS month
     WHERE NOT EXISTS (
       SELECT FROM part WHERE NOT is_default AND part.since <= month AND part.until >= month + interval '1 month')
     ORDER BY 1`,
    [table],
  );
  return rows;
}

async function describeMissing(
  client: pg.Pool,
  table: string,
  column: string,
  { month, until, has_default: hasDefault }: MissingMonth,
): Promise<CheckResult> {
  const problem = `${table} has no partition for ${month.slice(0, 7)}`;
  const advice = 'Run `group-api partitions`, as a server does every minute';
  if (!hasDefault) return failed(name, `${problem}, nor a default one: writes of that month fail. ${advice}`);
  // A month without a partition: its rows are in the default partition.
  const { rows } = await client.query(
    `SELECT FROM ${table} WHERE ${column} >= $1::timestamptz AND ${column} < $2::timestamptz LIMIT 1`,
    [`${month}Z`, `${until}Z`],
  );
  return rows.length > 0
    ? warned(
        name,
        `${problem}: its rows are in ${table}_default, where they stay. A retention does not drop them; later months have partitions again`,
      )
    : warned(
        name,
        `${problem}: its rows will be stored in ${table}_default, which no retention drops. ${advice}`,
      );
}

/** Migrations add this constraint, and the one that creates the partitions removes it. */
async function checkLeftConstraints(client: pg.Pool): Promise<CheckResult[]> {
  const { rows } = await client.query<{ table: string; is_partition: boolean; is_valid: boolean }>(
    `SELECT c.oid::regclass::text AS table, relispartition AS is_partition, convalidated AS is_valid
     FROM pg_constraint JOIN pg_class c ON c.oid = conrelid
     WHERE conname = 'before_partitions_check' AND relname ~ '^(audit_events|subscriber_history)'
       AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) ORDER BY 1`,
  );
  return rows.map(({ table, is_partition: isPartition, is_valid: isValid }) =>
    isPartition
      ? warned(
          name,
          `${table} still has the constraint of the update to partitions. As the owner: ALTER TABLE ${table} DROP CONSTRAINT before_partitions_check`,
        )
      : warned(
          name,
          `The update of ${table} to partitions is not complete${isValid ? '' : ': its rows are not validated yet'}. ` +
            'Its constraint before_partitions_check rejects rows after the end of the next month: run `group-api migrate`',
        ),
  );
}
