import pg from 'pg';
import { readTables } from '../database/tables.ts';
import type { BackupHeader } from './format.ts';

/** The table of the applied migrations, which is backed up like any other. */
export const migrationsTable = '_prisma_migrations';

/**
 * The tables whose rows a restore replaces, since a migration or the start of a server writes them: a database with
 * such rows only counts as empty.
 */
export const replacedTables: readonly string[] = [migrationsTable, 'radius_settings'];

/** The tables of a backup in their order, and the names of their sequences. */
export type Catalogue = { readonly tables: BackupHeader['tables']; readonly sequences: readonly string[] };

type TableRow = {
  readonly oid: string;
  readonly name: string;
  readonly columns: string[];
  readonly referenced: readonly string[];
};

/**
 * Reads which tables of group-api a schema has after these migrations, with their columns, and which sequences. A
 * partitioned table is one table. A table comes after those that its foreign keys refer to.
 */
export async function readCatalogue(
  client: pg.Pool | pg.PoolClient,
  schema: string,
  migrations: readonly string[],
): Promise<Catalogue> {
  const { rows } = await client.query<TableRow>(
    // Generated columns are left out: PostgreSQL computes them again.
    `SELECT c.oid::text, relname AS name,
       (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') AS columns,
       (SELECT coalesce(array_agg(confrelid::text), '{}') FROM pg_constraint
        WHERE conrelid = c.oid AND contype = 'f' AND confrelid <> c.oid) AS referenced
     FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
     WHERE nspname = $1 AND relkind IN ('r', 'p') AND NOT relispartition AND relname = ANY ($2::text[])
     ORDER BY relname COLLATE "C"`,
    [schema, [migrationsTable, ...(await readTables(migrations))]],
  );
  const tables = sortByReferences(rows).map(({ name, columns }) => ({ name, columns }));
  const { rows: sequences } = await client.query<{ name: string }>(
    `SELECT DISTINCT s.relname COLLATE "C" AS name
     FROM pg_class AS s JOIN pg_depend ON classid = 'pg_class'::regclass AND objid = s.oid AND deptype IN ('a', 'i')
     WHERE s.relkind = 'S' AND coalesce(pg_partition_root(refobjid), refobjid) = ANY ($1::oid[]) ORDER BY 1`,
    [rows.map(({ oid }) => oid)],
  );
  return { tables, sequences: sequences.map(({ name }) => name) };
}

function sortByReferences(tables: readonly TableRow[]): TableRow[] {
  const sorted: TableRow[] = [];
  const add = (table: TableRow) => {
    if (sorted.includes(table)) return;
    for (const oid of table.referenced) {
      const referenced = tables.find((candidate) => candidate.oid === oid);
      if (referenced) add(referenced);
    }
    sorted.push(table);
  };
  tables.forEach(add);
  return sorted;
}

/** Reads the current values of sequences. */
export async function readSequences(
  client: pg.PoolClient,
  schema: string,
  names: readonly string[],
): Promise<BackupHeader['sequences']> {
  const sequences: BackupHeader['sequences'] = [];
  for (const name of names) {
    const { rows } = await client.query<{ lastValue: string; isCalled: boolean }>(
      `SELECT last_value::text AS "lastValue", is_called AS "isCalled" FROM ${qualify(schema, name)}`,
    );
    sequences.push({ name, ...rows[0]! });
  }
  return sequences;
}

/** Returns the SQL of a name in a schema, so that a statement does not depend on `search_path`. */
export function qualify(schema: string, name: string): string {
  return `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`;
}

/** Returns the SQL of a table with its columns, in their order in the backup. */
export function listColumns(columns: readonly string[]): string {
  return columns.map((column) => pg.escapeIdentifier(column)).join(', ');
}
