import { afterEach, describe, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { createOlderDatabase } from '../support/older-database.ts';
import { authorize, rejected } from '../support/radius.ts';
import { openTestApp } from '../support/test-app.ts';
import { createTestDatabase, urlAs, type TestDatabase } from '../support/test-database.ts';

// The schema of the views: how it is named and created, and what prevents that.

/** The migration before that of the views. */
const lastOfOlder = '0031_retirement_statistics';

const databases: TestDatabase[] = [];
const create = async (options: Parameters<typeof createTestDatabase>[0]) => {
  const database = await createTestDatabase(options);
  databases.push(database);
  return database;
};
afterEach(async () => {
  for (const database of databases.splice(0)) await database.drop();
});
const at = (database: TestDatabase, schema: string): Pick<TestDatabase, 'url'> => {
  const url = new URL(database.url);
  url.searchParams.set('schema', schema);
  return { url: url.href };
};
const migrate = (database: Pick<TestDatabase, 'url'>) => createCommandLine(() => database).run('migrate');
const listViews = (database: TestDatabase) =>
  database.sql(
    `SELECT schemaname AS schema, count(*)::int FROM pg_views WHERE viewname ~ '^rad(check|reply|usergroup|groupcheck|groupreply)$'
     GROUP BY 1 ORDER BY 1`,
  );

test('two installations in two schemas of one database have their own views, which do not mix their users', async () => {
  const database = await create({});
  await database.sql('CREATE SCHEMA "Our plans, 2"');
  expect(await migrate(at(database, 'Our plans, 2'))).toMatchObject({ code: 0, stderr: '' });
  expect(await listViews(database)).toStrictEqual(
    ['Our plans, 2_radius', 'radius'].map((schema) => ({ schema, count: 5 })),
  );
  for (const schema of ['public', 'Our plans, 2'])
    await database.sql(
      `WITH plan AS (INSERT INTO "${schema}".groups (name, tag_name, duration, price) VALUES ('n', 't', 1, 1) RETURNING id)
       INSERT INTO "${schema}".subscribers (group_id, username) SELECT id, 'user of ${schema}' FROM plan`,
    );
  for (const [schema, views] of [
    ['public', 'radius'],
    ['Our plans, 2', '"Our plans, 2_radius"'],
  ] as const) {
    expect(await database.sql(`SELECT username FROM ${views}.radusergroup`)).toStrictEqual([
      { username: `user of ${schema}` },
    ]);
    expect((await authorize(database, `user of ${schema}`, views)).isKnown).toBe(true);
    const { stdout } = await createCommandLine(() => at(database, schema)).run('doctor', '--json');
    expect(JSON.parse(stdout).checks).toContainEqual(
      expect.objectContaining({ name: 'radius', state: 'ok', message: expect.stringContaining(views) }),
    );
  }
});

test('views of tables whose schema is renamed work, and doctor finds them', async () => {
  const database = await create({ settings: { schema: 'renamed' } });
  const app = await openTestApp({ RADIUS_RATE_UNIT: 'kbit/s' }, database);
  try {
    const id = await app.createGroup({ downloadUpload: '5/5' });
    await app.post('/subscribe', { username: 'ali', groupId: id });
    expect((await authorize(app, 'ali')).reply).toMatchObject({ 'Mikrotik-Rate-Limit': '5k/5k' });
    const { stdout } = await createCommandLine(() => app).run('doctor', '--json');
    expect(JSON.parse(stdout).checks).toContainEqual(
      expect.objectContaining({ name: 'radius', state: 'ok' }),
    );
  } finally {
    databases.splice(0);
    await app.close();
  }
});

describe('the migration', () => {
  test('leaves a schema radius with the tables of FreeRADIUS alone, and says what to do', async () => {
    const database = await createOlderDatabase(lastOfOlder);
    databases.push(database);
    await database.sql('CREATE SCHEMA radius; CREATE TABLE radius.radcheck (id int)');
    const { code, stderr } = await migrate(database);
    expect(code).not.toBe(0);
    expect(stderr).toContain(
      'the schema radius has a table radcheck, and group-api creates a view with this name. Rename the schema of the table, and in ' +
        'the settings of its programs: ALTER SCHEMA radius RENAME TO freeradius',
    );
    expect(await database.sql(`SELECT to_regclass('radius_settings') AS table`)).toStrictEqual([
      { table: null },
    ]);

    await database.sql('ALTER SCHEMA radius RENAME TO freeradius');
    expect(await migrate(database)).toMatchObject({ code: 0 });
  });

  test('uses a schema radius with the tables of accounting, which stay', async () => {
    const database = await createOlderDatabase(lastOfOlder);
    databases.push(database);
    await database.sql('CREATE SCHEMA radius; CREATE TABLE radius.radacct (id int)');
    expect(await migrate(database)).toMatchObject({ code: 0 });
    expect(await listViews(database)).toStrictEqual([{ schema: 'radius', count: 5 }]);
    await database.sql('SELECT FROM radius.radacct');
  });

  test('works again after DROP SCHEMA public, which leaves the schema radius empty', async () => {
    const database = await create({});
    await database.sql('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
    expect(await listViews(database)).toStrictEqual([]);
    expect(await migrate(database)).toMatchObject({ code: 0, stderr: '' });
    expect(await listViews(database)).toStrictEqual([{ schema: 'radius', count: 5 }]);
  });

  describe('by an owner that may not create schemas', () => {
    const role = 'radius_owner_test';

    test('names the statement for the owner of the database, after which it works', async () => {
      const database = await create({ isEmpty: true });
      await database.sql(
        `CREATE ROLE ${role} LOGIN; CREATE EXTENSION pg_trgm; GRANT CREATE ON SCHEMA public TO ${role}`,
      );
      const owner = { url: urlAs(role, database.url) };
      try {
        const { code, stderr } = await migrate(owner);
        expect(code).not.toBe(0);
        const statement = `CREATE SCHEMA radius AUTHORIZATION ${role}`;
        expect(stderr).toContain(`As the owner of the database: ${statement}`);
        await database.sql(statement);
        expect(await migrate(owner)).toMatchObject({ code: 0, stderr: '' });
        expect(await listViews(database)).toStrictEqual([{ schema: 'radius', count: 5 }]);
      } finally {
        await database.sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
      }
    });
  });

  test('by a superuser gives the views of another owner to that owner', async () => {
    const role = 'radius_tables_test';
    const database = await createOlderDatabase(lastOfOlder);
    databases.push(database);
    await database.sql(`CREATE ROLE ${role}; GRANT ALL ON SCHEMA public TO ${role}`);
    try {
      await database.sql(
        `DO $$ BEGIN EXECUTE (SELECT string_agg(format('ALTER TABLE %s OWNER TO ${role}', oid::regclass), '; ')
           FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')); END $$`,
      );
      expect(await migrate(database)).toMatchObject({ code: 0 });
      // The tables of a later migration belong to the role that migrates, as all tables do.
      const rows = await database.sql(
        `SELECT DISTINCT relowner::regrole::text AS owner FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
         WHERE (nspname = 'radius' OR relname ~ '^radius_') AND relkind IN ('r', 'v')
           AND relname NOT IN ('radius_feed', 'radius_deliveries')
         UNION SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'radius'`,
      );
      expect(rows).toStrictEqual([{ owner: role }]);
      expect(await authorize(database, 'no one')).toStrictEqual(rejected);
    } finally {
      await database.sql(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
    }
  });
});
