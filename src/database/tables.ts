import { readMigrations } from './migrations.ts';

/** Returns the names of the tables that these migrations, or else all of this version, leave: by their SQL. */
export async function readTables(migrationNames?: readonly string[]): Promise<string[]> {
  const sql = (await readMigrations())
    .filter(({ name }) => migrationNames?.includes(name) ?? true)
    .map((migration) => migration.sql)
    .join('\n');
  const namesAfter = (pattern: RegExp) => [...sql.matchAll(pattern)].map(([, table]) => table!);
  const dropped = namesAfter(/^DROP TABLE "(\w+)"/gm);
  // A table that becomes a partitioned one is created twice.
  const created = new Set(namesAfter(/^CREATE TABLE "(\w+)"/gm));
  return [...created].filter((table) => !dropped.includes(table));
}
