import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Report } from './migration-lock.ts';

/**
 * The first line of a migration that runs outside a transaction, for statements that PostgreSQL allows only there, such
 * as CREATE INDEX CONCURRENTLY, or that commit several times. Such a file has one statement, since both PostgreSQL and
 * `prisma migrate` run several as one transaction; an interrupted one is repeated, so that it must be repeatable.
 */
const marker = '-- Runs outside a transaction.';
/** A statement is reported if it runs for longer, which it does not in a new database. */
const reportAfterMs = 1000;

/** Returns whether the SQL of a migration runs outside a transaction. */
export function isStandalone({ sql }: { readonly sql: string }): boolean {
  return sql.startsWith(marker);
}

type StandaloneMigration = { readonly name: string; readonly sql: string; readonly checksum: string };
type Location = { readonly schema: string; readonly table: string };

/**
 * Runs a migration outside a transaction, and records it in `table` as `prisma migrate` does: when it starts, and when
 * it ends or fails. Of an earlier attempt that failed or was interrupted, first drops the unfinished index.
 */
export async function runStandaloneMigration(
  client: pg.ClientBase,
  { schema, table }: Location,
  { name, sql, checksum }: StandaloneMigration,
  report: Report,
): Promise<void> {
  await client.query(stopWithoutClient);
  const index = /^CREATE (?:UNIQUE )?INDEX CONCURRENTLY "(\w+)"/m.exec(sql)?.[1];
  const { rowCount: interruptedCount } = await client.query(
    `UPDATE ${table} SET rolled_back_at = now()
     WHERE migration_name = $1 AND finished_at IS NULL AND rolled_back_at IS NULL`,
    [name],
  );
  if (index !== undefined && (interruptedCount! > 0 || (await isInvalid(client, schema, index)))) {
    report(`Dropping the unfinished index ${index} of an interrupted migration`);
    await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${pg.escapeIdentifier(schema)}."${index}"`);
  }

  const id = randomUUID();
  await client.query(
    `INSERT INTO ${table} (id, checksum, migration_name, started_at) VALUES ($1, $2, $3, clock_timestamp())`,
    [id, checksum, name],
  );
  const timer = setTimeout(
    () =>
      report(`Applying the migration ${name}, which may take minutes. Servers continue to serve requests`),
    reportAfterMs,
  );
  try {
    // The extended protocol rejects a second statement.
    const query: pg.QueryConfig & { queryMode: 'extended' } = { text: sql, queryMode: 'extended' };
    await client.query(query);
  } catch (error) {
    const { message } = error as Error;
    await client.query(`UPDATE ${table} SET logs = $2 WHERE id = $1`, [id, message]).catch(() => undefined);
    throw error;
  } finally {
    clearTimeout(timer);
  }
  await client.query(
    `UPDATE ${table} SET finished_at = clock_timestamp(), applied_steps_count = 1 WHERE id = $1`,
    [id],
  );
}

/**
 * PostgreSQL would continue to build the index of a program that was killed, and the next start would wait for that.
 * Some operating systems do not support the setting.
 */
const stopWithoutClient = `DO $$ BEGIN
  PERFORM set_config('client_connection_check_interval', '1s', false);
EXCEPTION WHEN invalid_parameter_value THEN NULL; END $$`;

async function isInvalid(client: pg.ClientBase, schema: string, index: string): Promise<boolean> {
  const { rows } = await client.query(
    `SELECT FROM pg_index JOIN pg_class c ON c.oid = indexrelid JOIN pg_namespace n ON n.oid = relnamespace
     WHERE nspname = $1 AND relname = $2 AND NOT indisvalid`,
    [schema, index],
  );
  return rows.length > 0;
}
