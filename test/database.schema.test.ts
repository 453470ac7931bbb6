import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createCommandLine } from './support/command-line.ts';
import { lineOf, runEverywhere } from './support/run-everywhere.ts';
import { openTestApp, type TestApp } from './support/test-app.ts';
import { createTestDatabase, useTestDatabase, type TestDatabase } from './support/test-database.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase({ isEmpty: true });
});
afterEach(() => database.drop());

let url = '';
const { run } = createCommandLine(() => ({ url }));
const withParameters = (parameters: Record<string, string>) => {
  const changed = new URL(database.url);
  for (const [name, value] of Object.entries(parameters)) changed.searchParams.set(name, value);
  return changed.href;
};
const readSchemas = async () =>
  (
    await database.sql<{ schema: string }>(
      `SELECT DISTINCT relnamespace::regnamespace::text AS schema FROM pg_class
       WHERE relname IN ('groups', '_prisma_migrations', 'audit_events', 'number_groups', 'groups_id_seq') ORDER BY 1`,
    )
  ).map(({ schema }) => schema);
const readDatabaseName = async () =>
  (await database.sql<{ name: string }>('SELECT current_database() AS name'))[0]!.name;

/** Runs calls that use every table, with Prisma and with raw SQL. */
async function tryEverything(app: TestApp): Promise<void> {
  const statuses: number[] = [];
  const call = async (path: string, body: object) => {
    const answer = await app.post(path, body);
    statuses.push(answer.status);
    return answer.body;
  };
  const id = await app.createGroup();
  const other = await app.createGroup();
  await call('/subscribe', { username: 'ali', groupId: id });
  await call('/deleteGroup', { id, moveSubscribersTo: other });
  await call('/deletedGroups', {});
  await call('/restoreGroup', { id });
  await call('/searchGroups', { filter: { text: 'plain' } });
  await call('/deleteGroup', { id });
  await call('/auditEvents', {});
  await call('/allGroups', {});
  const added = await call('/api/v4/autodialer/groups/add', { name: 'numbers', numbers: ['1111'] });
  await call('/api/v4/autodialer/groups/remove', { _id: added.data._id });
  expect(statuses).toStrictEqual(statuses.map(() => 200));
}

/** Runs the server, `migrate`, `doctor`, an export and an import on one URL. */
async function expectEverythingToWork(databaseUrl: string): Promise<void> {
  url = databaseUrl;
  const migrated = await run('migrate', '--json');
  expect([migrated.stderr, migrated.code]).toStrictEqual(['', 0]);
  const app = await openTestApp({ DATABASE_URL: url }, { ...useTestDatabase(url), url });
  try {
    await tryEverything(app);
  } finally {
    await app.close();
  }
  const examined = await run('doctor');
  expect([examined.stdout, examined.code]).toStrictEqual([expect.not.stringMatching(/^wrong/m), 0]);
  const exported = await run('groups', 'export');
  expect([exported.stderr, exported.code]).toStrictEqual([expect.any(String), 0]);
}

test('?schema= is the schema of every table; public stays empty', async () => {
  await database.sql('CREATE SCHEMA plans');
  await expectEverythingToWork(withParameters({ schema: 'plans' }));
  expect(await readSchemas()).toStrictEqual(['plans']);
});

test('a schema whose name needs quotes works with every command', async () => {
  await database.sql('CREATE SCHEMA "Our plans, 2"');
  await expectEverythingToWork(withParameters({ schema: 'Our plans, 2' }));
  expect(await readSchemas()).toStrictEqual(['"Our plans, 2"']);
});

test('without ?schema= the schema is public, whatever the search_path of the database and the role', async () => {
  const name = await readDatabaseName();
  await database.sql(
    `CREATE SCHEMA elsewhere; ALTER DATABASE ${name} SET search_path = elsewhere, pg_catalog`,
  );
  await expectEverythingToWork(database.url);
  expect(await readSchemas()).toStrictEqual(['public']);
});

test('without ?schema= a schema named like the role is not used', async () => {
  const [row] = await database.sql<{ user: string }>('SELECT current_user AS user');
  await database.sql(`CREATE SCHEMA "${row!.user}"`);
  await expectEverythingToWork(database.url);
  expect(await readSchemas()).toStrictEqual(['public']);
});

test('two servers in two schemas of one database are independent', async () => {
  await database.sql('CREATE SCHEMA one; CREATE SCHEMA two');
  await expectEverythingToWork(withParameters({ schema: 'one' }));
  await expectEverythingToWork(withParameters({ schema: 'two' }));
  await expectEverythingToWork(database.url);
  expect(await readSchemas()).toStrictEqual(['one', 'public', 'two']);
  const [counts] = await database.sql(
    'SELECT (SELECT count(*) FROM one.groups) AS one, (SELECT count(*) FROM two.groups) AS two',
  );
  expect(counts).toStrictEqual({ one: '1', two: '1' });
});

describe('pg_trgm in another schema', () => {
  beforeEach(() => database.sql('CREATE SCHEMA extensions; CREATE EXTENSION pg_trgm SCHEMA extensions'));

  test('pg_trgm in another schema works for tables in public', async () => {
    await expectEverythingToWork(database.url);
    expect(await readSchemas()).toStrictEqual(['public']);
  });

  test("pg_trgm in another schema works for tables in the URL's schema", async () => {
    await database.sql('CREATE SCHEMA plans');
    await expectEverythingToWork(withParameters({ schema: 'plans' }));
    expect(await readSchemas()).toStrictEqual(['plans']);
  });
});

test('tables of the same names in other schemas are ignored', async () => {
  await database.sql('CREATE TABLE public.groups (id int); CREATE SCHEMA plans');
  await expectEverythingToWork(withParameters({ schema: 'plans' }));
  expect(await database.sql('SELECT * FROM public.groups')).toStrictEqual([]);
});

test('a missing schema is reported in one line by each program, and not created', async () => {
  const { serve, migrate, doctor } = await runEverywhere(withParameters({ schema: 'plans' }));
  expect([serve.code, migrate.code, doctor.code]).toStrictEqual([1, 1, 1]);
  for (const line of [lineOf(serve), migrate.message, ...doctor.wrong]) {
    expect(line).toMatch(
      /^PostgreSQL at [^\n]+ has no schema plans\. Create it with CREATE SCHEMA plans AUTHORIZATION \S+, or correct the parameter schema of DATABASE_URL$/,
    );
  }
  expect(doctor.wrong).toHaveLength(1);
  expect(await database.sql(`SELECT FROM pg_namespace WHERE nspname = 'plans'`)).toStrictEqual([]);
});

test('a schema without USAGE for the role is reported in one line by each program', async () => {
  const role = 'schema_guest';
  await database.sql(
    `CREATE SCHEMA plans; DROP ROLE IF EXISTS ${role}; CREATE ROLE ${role} LOGIN PASSWORD 'x'`,
  );
  const asRole = new URL(withParameters({ schema: 'plans' }));
  if (asRole.searchParams.has('user')) asRole.searchParams.set('user', role);
  else Object.assign(asRole, { username: role, password: 'x' });
  const { serve, migrate, doctor } = await runEverywhere(asRole.href);
  await database.sql(`DROP ROLE ${role}`);
  for (const line of [lineOf(serve), migrate.message, ...doctor.wrong]) {
    expect(line).toMatch(
      /^The user schema_guest lacks USAGE on the schema plans of [^\n]+: GRANT USAGE ON SCHEMA plans TO schema_guest$/,
    );
  }
  expect(doctor.wrong).toHaveLength(1);
});
