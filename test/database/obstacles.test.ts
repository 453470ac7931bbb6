import { execFile } from 'node:child_process';
import { readFile, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { findBinaries } from '../../src/embedded-postgres/binaries.ts';
import { requireServiceUser } from '../../src/embedded-postgres/service-user.ts';
import { lineOf, runEverywhere } from '../support/run-everywhere.ts';
import { startTcpPostgres } from '../support/tcp-postgres.ts';
import { createTestDatabase, urlAs, type TestDatabase } from '../support/test-database.ts';
import { createTestFolder } from '../support/test-folder.ts';

// The server, `migrate` and `doctor` report the same line if a database cannot be migrated.

let database: TestDatabase;

async function expectLine(message: RegExp, url = database.url): Promise<void> {
  const before = await describeTables();
  const { serve, migrate, doctor, everything } = await runEverywhere(url);
  expect(lineOf(serve)).toMatch(message);
  expect(migrate.message).toBe(lineOf(serve));
  expect(doctor.wrong).toContain(lineOf(serve));
  expect([serve.code, migrate.code, doctor.code, doctor.stderr]).toStrictEqual([1, 1, 1, '']);
  expect(lineOf(serve)).not.toContain('\n');
  expect(everything).not.toMatch(/^\s+at /m);
  expect(await describeTables()).toStrictEqual(before);
}
const describeTables = () =>
  database.sql(
    `SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname`,
  );

const insertMigration = (name: string, finished: string, rolledBack = 'NULL') =>
  `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, rolled_back_at)
   VALUES ('${name}', 'x', '${name}', ${finished}, ${rolledBack})`;

describe('migrated databases', () => {
  afterEach(() => database.drop());
  beforeEach(async () => {
    database = await createTestDatabase();
  });

  test.each([
    [
      'with a failed migration of its own',
      `UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name = '0003_accounts'`,
      /^The migration 0003_accounts was started on this database but not completed\. Restore a backup from before it; or undo its partial changes, and run as the owner: UPDATE "public"\._prisma_migrations SET rolled_back_at = now\(\) WHERE migration_name = '0003_accounts' AND finished_at IS NULL$/,
    ],
    [
      'with a failed migration of a newer version',
      insertMigration('9999_later', 'NULL'),
      /^The migration 9999_later was started on this database but not completed\. Update group-api\. /,
    ],
    [
      'with a migration of a newer version',
      insertMigration('9999_later', 'now()'),
      /^The database has the migration 9999_later, which is unknown to this version of group-api\. Update group-api$/,
    ],
    [
      'with a gap',
      `DELETE FROM _prisma_migrations WHERE migration_name = '0002_trusted_deletion'`,
      /^The migration 0002_trusted_deletion is not applied to this database, but 0003_accounts, which comes after it, is\. Restore a backup/,
    ],
    [
      'that another application migrates too',
      insertMigration('20240101120000_init', 'now()'),
      /^The table _prisma_migrations in the schema public is used by another application, which created the migration 20240101120000_init\. Use an empty database, or a separate schema/,
    ],
  ])('a migrated database %s is reported in one line by each program', async (_, statement, message) => {
    await database.sql(statement);
    await expectLine(message);
  });

  test('a migrated database with a failed migration that was rolled back is accepted', async () => {
    await database.sql(insertMigration('0008_x', 'NULL', 'now()'));
    const { doctor, migrate } = await runEverywhere(database.url);
    expect([doctor.wrong, migrate.code]).toStrictEqual([[], 0]);
  });

  test('a migrated database that is read-only is reported with the statement that changes it', async () => {
    const [row] = await database.sql<{ name: string }>('SELECT current_database() AS name');
    await database.sql(`ALTER DATABASE ${row!.name} SET default_transaction_read_only = on`);
    const { serve, doctor, everything } = await runEverywhere(database.url);
    const repair = `ALTER DATABASE ${row!.name} RESET default_transaction_read_only`;
    expect(lineOf(serve)).toMatch(
      new RegExp(`^Cannot write to PostgreSQL at .*\\. It is read-only: ${repair}$`),
    );
    expect(doctor.wrong).toStrictEqual([expect.stringContaining(repair)]);
    expect(everything).not.toMatch(/^\s+at /m);
  });

  describe('roles without a privilege', () => {
    const role = 'obstacle_test';
    beforeEach(async () => {
      const operations = await readFile('docs/operations.md', 'utf8');
      const [, statements] = /```sql\n(CREATE ROLE group_api [^`]+)```/.exec(operations)!;
      await database.sql(statements!.replaceAll('group_api', role));
    });
    afterEach(() => database.sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`));
    const asRole = () => urlAs(role, database.url);

    test('a role that may not write accounts is reported in one line, and doctor prints the GRANT', async () => {
      await database.sql(`REVOKE INSERT ON accounts FROM ${role}`);
      const { serve, doctor } = await runEverywhere(asRole());
      expect(serve.code).toBe(1);
      expect(serve.stderr).toMatch(
        /^group-api: The database user lacks a privilege \(permission denied for table accounts\)\. Run `group-api doctor`, which lists the missing GRANTs$/m,
      );
      expect(serve.stderr).not.toMatch(/^\s+at /m);
      expect(doctor.wrong).toStrictEqual([expect.stringContaining(`GRANT INSERT ON accounts TO ${role}`)]);
    });

    test('a role that may not read the migrations is reported in one line with the GRANT', async () => {
      await database.sql(`REVOKE SELECT ON _prisma_migrations FROM ${role}`);
      const { serve, migrate, doctor } = await runEverywhere(asRole());
      for (const line of [lineOf(serve), migrate.message, doctor.wrong[0]]) {
        expect(line).toMatch(
          /^The database user is not allowed to read the migrations \(permission denied .*\)\. GRANT SELECT ON "public"\._prisma_migrations/,
        );
      }
    });
  });
});

describe('empty databases', () => {
  afterEach(() => database.drop());
  beforeEach(async () => {
    database = await createTestDatabase({ isEmpty: true });
  });

  test.each([
    [
      'with a table of another program',
      'CREATE TABLE groups (name text)',
      /^The schema public already contains groups, which group-api did not create\. Use an empty database, or a separate schema for group-api: CREATE SCHEMA group_api, and \?schema=group_api in DATABASE_URL$/,
    ],
    [
      'with views of another program',
      'CREATE VIEW accounts AS SELECT 1 AS x; CREATE VIEW groups AS SELECT 1 AS x',
      /^The schema public already contains accounts, groups, which group-api did not create\./,
    ],
    [
      'with a function of another program',
      'CREATE FUNCTION is_active(timestamptz) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$',
      /^The schema public already contains the function is_active, which group-api did not create\./,
    ],
    [
      'with the migrations of another application',
      `CREATE TABLE _prisma_migrations (id text, checksum text, migration_name text, finished_at timestamptz, rolled_back_at timestamptz);
       ${insertMigration('20230101000000_init', 'now()')}; ${insertMigration('20240101000000_more', 'now()')}`,
      /^The table _prisma_migrations in the schema public is used by another application, which created the migration 20230101000000_init and 1 more\. Use an empty database/,
    ],
    [
      'with a table _prisma_migrations of another program',
      'CREATE TABLE _prisma_migrations (version int)',
      /^_prisma_migrations in the schema public is not Prisma's table \(column "\w+" does not exist\)\. Use an empty database/,
    ],
  ])('an empty database %s is reported in one line by each program', async (_, statement, message) => {
    await database.sql(statement);
    await expectLine(message);
  });

  test('an empty database that is read-only is reported with the statement that changes it', async () => {
    const [row] = await database.sql<{ name: string }>('SELECT current_database() AS name');
    await database.sql(`ALTER DATABASE ${row!.name} SET default_transaction_read_only = on`);
    const { serve, migrate, doctor, everything } = await runEverywhere(database.url);
    expect(lineOf(serve)).toMatch(/Cannot write to .*\. It is read-only: ALTER DATABASE /);
    expect(migrate.message).toMatch(
      /^The database is read-only \(.*read-only transaction\), but migrations are pending\. /,
    );
    expect(doctor.wrong).toStrictEqual([expect.stringContaining('RESET default_transaction_read_only')]);
    expect(everything).not.toMatch(/^\s+at /m);
  });
});

test('a PostgreSQL without the files of pg_trgm is reported in one line by each program', async () => {
  const runAs = process.getuid?.() === 0 ? await requireServiceUser() : undefined;
  const installed = dirname(dirname((await findBinaries(runAs)).postgres));
  const folder = await createTestFolder();
  await promisify(execFile)('cp', ['-a', installed, join(folder, 'postgresql')]);
  const share = join(folder, 'postgresql', 'share');
  const files = await readdir(share, { recursive: true });
  await Promise.all(files.filter((file) => /pg_trgm[^/]*$/.test(file)).map((file) => rm(join(share, file))));
  const postgres = await startTcpPostgres([], join(folder, 'postgresql', 'bin'));
  const { serve, migrate, doctor } = await runEverywhere(
    `postgresql://postgres@127.0.0.1:${postgres.port}/postgres`,
  );
  await postgres.close();
  await rm(folder, { recursive: true, force: true });
  for (const line of [lineOf(serve), migrate.message]) {
    expect(line).toMatch(
      /^The server lacks an extension that group-api needs \(.*pg_trgm.*\)\. Install it on the server: .* postgresql-contrib$/,
    );
  }
  expect(doctor.wrong).toStrictEqual([
    expect.stringMatching(
      /lacks the files of the extension pg_trgm, which some systems install by the package postgresql-contrib$/,
    ),
  ]);
});
