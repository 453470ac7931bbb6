import { readMigrations } from '../../src/database/migrations.ts';
import { createTestDatabase, type TestDatabase } from './test-database.ts';

/**
 * Creates a database of an older version: with the migrations up to `lastMigration`, and no later ones. `rows` are
 * statements that write rows right after a migration, by its name.
 */
export async function createOlderDatabase(
  lastMigration: string,
  rows: Readonly<Record<string, readonly string[]>> = {},
): Promise<TestDatabase> {
  const database = await createTestDatabase({ isEmpty: true });
  const migrations = await readMigrations();
  const count = migrations.findIndex(({ name }) => name === lastMigration) + 1;
  await database.sql(`CREATE TABLE _prisma_migrations (
    id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL,
    logs TEXT, rolled_back_at TIMESTAMPTZ, started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0
  )`);
  for (const { name, sql, checksum } of migrations.slice(0, count)) {
    await database.sql(sql);
    await database.sql(
      'INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ($1, $2, $1, now())',
      [name, checksum],
    );
    for (const statement of rows[name] ?? []) await database.sql(statement);
  }
  return database;
}
