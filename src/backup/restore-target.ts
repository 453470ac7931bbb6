import type pg from 'pg';
import { inspectMigrations } from '../database/migrations.ts';
import { findReadOnlyReason } from '../database/read-only.ts';
import { OperatorError } from '../errors.ts';
import { qualify, readCatalogue, replacedTables } from './catalogue.ts';
import type { Connection } from './connection.ts';
import { damaged, type BackupHeader } from './format.ts';

// What a database must be for a restore. Each check throws an OperatorError.

const useEmpty =
  'Restore into an empty database: create one with CREATE DATABASE, or set DATA_DIR to a new folder';

export async function requireWritable({ pool, description }: Connection): Promise<void> {
  const reason = await findReadOnlyReason(pool);
  if (reason !== undefined) throw new OperatorError(`Cannot write to ${description}. ${reason}`);
}

/** The database has exactly the migrations of the backup, and therefore its tables. */
export async function requireMatchingTables(
  client: pg.Pool | pg.PoolClient,
  { schema, description }: Connection,
  header: BackupHeader,
): Promise<void> {
  const { applied } = await inspectMigrations(client, schema);
  const extra = applied.find((name) => !header.migrations.includes(name));
  if (extra !== undefined)
    throw new OperatorError(
      `${description} already has the migration ${extra}, which is not in the backup. ${useEmpty}`,
    );
  const { tables, sequences } = await readCatalogue(client, schema, header.migrations);
  const names = header.sequences.map(({ name }) => name);
  if (shapeOf(tables, sequences) !== shapeOf(header.tables, names))
    throw damaged(`its tables are not those of the migration ${header.migrations.at(-1)}`);
}

function shapeOf(tables: BackupHeader['tables'], sequences: readonly string[]): string {
  const shapes = tables.map(({ name, columns }) => JSON.stringify([name, columns.toSorted()]));
  return JSON.stringify([shapes.toSorted(), sequences.toSorted()]);
}

export async function requireOwner({ pool, schema }: Connection, header: BackupHeader): Promise<void> {
  const { rows } = await pool.query<{ name: string; user: string; owner: string }>(
    `SELECT name, current_user AS user, pg_get_userbyid(relowner) AS owner
     FROM unnest($1::text[]) AS name JOIN pg_class ON oid = name::regclass WHERE NOT pg_has_role(relowner, 'USAGE')`,
    [header.tables.map(({ name }) => qualify(schema, name))],
  );
  const [table] = rows;
  if (table === undefined) return;
  throw new OperatorError(
    `A restore requires the owner of the tables, and the user ${table.user} does not own ${table.name}. ` +
      `Set DATABASE_URL to the role ${table.owner}, as for \`group-api migrate\``,
  );
}

export async function requireEmpty(
  client: pg.PoolClient,
  { schema, description }: Connection,
  header: BackupHeader,
): Promise<void> {
  const tables = header.tables.map(({ name }) => name).filter((name) => !replacedTables.includes(name));
  const { rows } = await client.query<boolean[]>({
    text: `SELECT ${tables.map((name) => `EXISTS (SELECT FROM ${qualify(schema, name)})`).join(', ')}`,
    rowMode: 'array',
  });
  const filled = tables.filter((_, index) => rows[0]![index]);
  if (filled.length > 0)
    throw new OperatorError(
      `${description} is not empty: there are rows in ${filled.join(', ')}. ${useEmpty}`,
    );
}
