import { expect, test } from '@jest/globals';
import { useDoctor } from '../support/doctor.ts';
import { createTestDatabase } from '../support/test-database.ts';

const { database, target, run, examine } = useDoctor();
const describeSchema = () =>
  database.sql(
    `SELECT relname, relkind, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1`,
  );

test('doctor prints one line for each check of a healthy database, and changes nothing', async () => {
  const before = await describeSchema();
  const { code, stdout } = await run('doctor');
  expect([code, stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 2))]).toStrictEqual([
    0,
    [
      ['STATUS', 'CHECK'],
      ...[
        'settings',
        'database',
        'time zone',
        'migrations',
        'tables',
        'permissions',
        'sequences',
        'audit',
        'partitions',
        'radius',
        'clock',
      ].map((name) => ['ok', name]),
      [''],
    ],
  ]);
  expect(stdout).toMatch(/PostgreSQL \d+(\.\d+)?.*, encoding UTF8/);
  expect(await describeSchema()).toStrictEqual(before);
});

test.each([
  [
    'migrations',
    `UPDATE _prisma_migrations SET checksum = 'x' WHERE migration_name = '0001_groups'`,
    'The migration 0001_groups was changed after it was applied',
  ],
  [
    'migrations',
    `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ('x', 'x', '9999_later', now())`,
    'The database has the migration 9999_later, which is unknown to this version of group-api',
  ],
  [
    'audit',
    'ALTER TABLE audit_events DISABLE TRIGGER audit_events_append_only',
    'ENABLE TRIGGER audit_events_append_only',
  ],
  ['tables', 'DROP TABLE subscriber_history', 'the table subscriber_history. Restore a backup'],
  ['tables', 'DROP TABLE audit_events', 'the table audit_events. Restore a backup'],
])('doctor reports an error in %s after: %s', async (name, statement, message) => {
  const own = await createTestDatabase();
  target.url = own.url;
  await own.sql(statement);
  const { isWrong, of } = await examine();
  expect(isWrong).toBe(true);
  expect(of(name)).toMatchObject([{ state: 'wrong', message: expect.stringContaining(message) }]);
  await own.drop();
});

test('doctor checks each table that the migrations create', async () => {
  const own = await createTestDatabase();
  target.url = own.url;
  const tables = await own.sql<{ name: string }>(
    `SELECT relname AS name FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> '_prisma_migrations'`,
  );
  await own.sql(tables.map(({ name }) => `DROP TABLE ${name} CASCADE`).join(';'));
  const { message } = (await examine()).of('tables')[0]!;
  await own.drop();
  const missing = message.replace(/^The database lacks (.*)\. Restore a backup$/, '$1').split(', ');
  expect(missing.toSorted()).toStrictEqual(tables.map(({ name }) => `the table ${name}`).toSorted());
});

test('doctor reports a read-only database, and runs the other checks', async () => {
  const own = await createTestDatabase();
  target.url = own.url;
  const [current] = await own.sql<{ name: string }>('SELECT current_database() AS name');
  await own.sql(`ALTER DATABASE ${current!.name} SET default_transaction_read_only = on`);
  const { isWrong, of } = await examine();
  await own.drop();
  expect([isWrong, of('database'), of('tables')]).toMatchObject([
    true,
    [
      {
        state: 'wrong',
        message: expect.stringContaining(
          `ALTER DATABASE ${current!.name} RESET default_transaction_read_only`,
        ),
      },
    ],
    [{ state: 'ok' }],
  ]);
});

test('doctor lists the pending migrations of an empty database, and applies none', async () => {
  const own = await createTestDatabase({ isEmpty: true });
  target.url = own.url;
  const { isWrong, of } = await examine();
  expect([isWrong, of('migrations')]).toMatchObject([
    false,
    [
      {
        state: 'warning',
        message: expect.stringMatching(
          /^0 migrations are applied, pending: 0001_groups, .*The next start or `group-api migrate` applies them/,
        ),
      },
    ],
  ]);
  expect(await own.sql(`SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace`)).toStrictEqual([]);
  await own.drop();
});
