import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { openEmbeddedPostgres } from '../src/embedded-postgres/cluster.ts';
import { createCommandLine } from './support/command-line.ts';
import { createTestDatabase, type TestDatabase } from './support/test-database.ts';
import { createTestFolder } from './support/test-folder.ts';

let database: TestDatabase;
let url: string;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const { run, environment } = createCommandLine(() => ({ url }));
beforeEach(() => {
  url = database.url;
  for (const name of Object.keys(environment)) delete environment[name];
});

type Found = { name: string; state: string; message: string };
const examine = async () => {
  const { code, stdout, stderr } = await run('doctor', '--json');
  expect(stderr).toBe('');
  const { isWrong, checks } = JSON.parse(stdout) as { isWrong: boolean; checks: Found[] };
  expect(code).toBe(isWrong ? 1 : 0);
  return { isWrong, checks, of: (name: string) => checks.filter((check) => check.name === name) };
};
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
        'clock',
      ].map((name) => ['ok', name]),
      [''],
    ],
  ]);
  expect(stdout).toMatch(/PostgreSQL \d+(\.\d+)?.*, encoding UTF8/);
  expect(await describeSchema()).toStrictEqual(before);
});

describe('the role of docs/operations.md', () => {
  const role = 'doctor_test';
  beforeAll(async () => {
    const operations = await readFile('docs/operations.md', 'utf8');
    const [, statements] = /```sql\n(CREATE ROLE group_api [^`]+)```/.exec(operations)!;
    await database.sql(statements!.replaceAll('group_api', role));
  });
  afterAll(() => database.sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`));
  beforeEach(() => {
    const asRole = new URL(database.url);
    if (asRole.searchParams.has('user')) asRole.searchParams.set('user', role);
    else Object.assign(asRole, { username: role, password: '…' });
    url = asRole.href;
  });

  test('the documented role can run a server, and imports with one more grant', async () => {
    const { isWrong, of } = await examine();
    expect(isWrong).toBe(false);
    expect(of('audit')).toMatchObject([
      { state: 'ok', message: expect.stringContaining('by its privileges') },
    ]);
    expect(of('sequences')).toMatchObject([
      {
        state: 'warning',
        message: expect.stringContaining(
          `GRANT UPDATE ON SEQUENCE groups_id_seq, service_groups_id_seq TO ${role}`,
        ),
      },
    ]);

    const { stdout: file } = await run('groups', 'export');
    const { stderr } = await run('groups', 'import', '/dev/null');
    expect(stderr).toContain('GRANT UPDATE ON SEQUENCE service_groups_id_seq, groups_id_seq');
    await database.sql(`GRANT UPDATE ON SEQUENCE groups_id_seq, service_groups_id_seq TO ${role}`);
    expect(file).toMatch(/"kind":"end"/);
    expect((await examine()).of('sequences')).toMatchObject([{ state: 'ok' }]);
    expect((await run('groups', 'import', '/dev/null')).stderr).toContain('Line 1: the file is truncated');
  });

  test.each([
    [
      'permissions',
      'REVOKE DELETE ON groups FROM',
      'GRANT DELETE ON groups TO',
      'lacks privileges: GRANT DELETE ON groups TO',
    ],
    [
      'permissions',
      'REVOKE INSERT ON audit_events FROM',
      'GRANT INSERT ON audit_events TO',
      'GRANT INSERT ON audit_events TO',
    ],
    [
      'sequences',
      'REVOKE SELECT ON groups_id_seq FROM',
      'GRANT SELECT ON groups_id_seq TO',
      'GRANT SELECT ON SEQUENCE groups_id_seq TO',
    ],
  ])('doctor reports an error in %s after: %s', async (name, take, give, message) => {
    await database.sql(`${take} ${role}`);
    const results = (await examine()).of(name);
    await database.sql(`${give} ${role}`);
    expect(results).toMatchObject([{ state: 'wrong', message: expect.stringContaining(message) }]);
    expect((await examine()).isWrong).toBe(false);
  });

  test('doctor warns about a role that may change the audit', async () => {
    await database.sql(`GRANT DELETE ON audit_events TO ${role}`);
    const results = (await examine()).of('audit');
    await database.sql(`REVOKE DELETE ON audit_events FROM ${role}`);
    expect(results).toMatchObject([
      { state: 'warning', message: expect.stringContaining('REVOKE UPDATE, DELETE, TRUNCATE') },
    ]);
  });
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
  url = own.url;
  await own.sql(statement);
  const { isWrong, of } = await examine();
  expect(isWrong).toBe(true);
  expect(of(name)).toMatchObject([{ state: 'wrong', message: expect.stringContaining(message) }]);
  await own.drop();
});

test('doctor checks each table that the migrations create', async () => {
  const own = await createTestDatabase();
  url = own.url;
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
  url = own.url;
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

describe('doctor with pending migrations', () => {
  const role = 'doctor_migrates';
  let own: TestDatabase;
  const grantCreate = 'GRANT CREATE ON SCHEMA public TO';
  beforeEach(async () => {
    own = await createTestDatabase({ isEmpty: true });
    await own.sql(`CREATE ROLE ${role} LOGIN`);
    const asRole = new URL(own.url);
    if (asRole.searchParams.has('user')) asRole.searchParams.set('user', role);
    else Object.assign(asRole, { username: role, password: '…' });
    url = asRole.href;
  });
  afterEach(async () => {
    await own.sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await own.drop();
  });

  test.each([
    ['nothing', '', 'CREATE on the schema public, CREATE on the database'],
    ['no extensions', `${grantCreate} ${role}`, 'CREATE on the database'],
    ['no tables', 'CREATE EXTENSION pg_trgm', 'CREATE on the schema public'],
  ])('doctor reports a role that may create %s', async (_, statement, lacks) => {
    await own.sql(statement);
    const { isWrong, of } = await examine();
    expect([isWrong, of('migrations')]).toMatchObject([
      true,
      [
        {
          state: 'wrong',
          message: expect.stringContaining(
            `. Run \`group-api migrate\` as the owner of the database, since ${role} lacks ${lacks}`,
          ),
        },
      ],
    ]);
    expect((await run('migrate')).stderr).toContain('is not allowed to create the required objects');
  });

  test('doctor reports a role that does not own the tables to change; for the owner it suggests a start', async () => {
    const first = await readFile('prisma/migrations/0001_groups/migration.sql', 'utf8');
    const checksum = createHash('sha256').update(first).digest('hex');
    await own.sql(`${grantCreate} ${role}; CREATE EXTENSION pg_trgm;
      CREATE TABLE _prisma_migrations (id text, checksum text, finished_at timestamptz, migration_name text,
        logs text, rolled_back_at timestamptz, started_at timestamptz, applied_steps_count int);
      INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ('x', '${checksum}', '0001_groups', now());
      GRANT SELECT ON _prisma_migrations TO ${role}; ${first}`);
    const lacking = await examine();
    await own.sql(`GRANT INSERT, UPDATE ON _prisma_migrations TO ${role};
      ALTER TABLE groups OWNER TO ${role}; ALTER TABLE api_keys OWNER TO ${role};
      ALTER TABLE service_groups OWNER TO ${role}`);
    const { of } = await examine();
    expect([lacking.of('migrations'), of('migrations')]).toMatchObject([
      [
        {
          state: 'wrong',
          message: expect.stringMatching(
            /lacks INSERT on _prisma_migrations, UPDATE on _prisma_migrations, REFERENCES on groups(, the ownership of (api_keys|groups|service_groups)){3}$/,
          ),
        },
      ],
      [
        {
          state: 'warning',
          message: expect.stringContaining('The next start or `group-api migrate` applies them'),
        },
      ],
    ]);
    expect((await run('migrate')).code).toBe(0);
  });
});

test('doctor lists the pending migrations of an empty database, and applies none', async () => {
  const own = await createTestDatabase({ isEmpty: true });
  url = own.url;
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

test('doctor reports each invalid setting on its own line, and runs the other checks', async () => {
  Object.assign(environment, {
    PORT: 'many',
    GROUP_API_X: '1',
    TLS_CERT_FILE: '/no/file',
    TLS_KEY_FILE: '/no/key',
  });
  const { isWrong, of } = await examine();
  expect(isWrong).toBe(true);
  expect(of('settings').map(({ state, message }) => `${state} ${message}`)).toStrictEqual([
    expect.stringMatching(/^wrong GROUP_API_X is not a setting/),
    'wrong PORT must be a whole number from 0 to 65535, not "many"',
    expect.stringMatching(/^wrong TLS_CERT_FILE must be a readable file: ENOENT.*\/no\/file/),
  ]);
  expect(of('permissions')).toMatchObject([{ state: 'ok' }]);
});

test.each([
  [{ TLS_CERT_FILE: '/tmp', TLS_KEY_FILE: '/tmp' }, /^TLS_CERT_FILE must be a readable file: EISDIR/],
  [
    { TLS_CERT_FILE: '/etc/passwd', TLS_KEY_FILE: '/etc/passwd' },
    /^TLS_CERT_FILE and TLS_KEY_FILE must be a certificate and its key/,
  ],
  [{ ALLOWED_OPERATIONS_FILE: '/etc/passwd' }, /^ALLOWED_OPERATIONS_FILE must be a JSON file/],
  [{ ALLOWED_OPERATIONS_FILE: '/no/list' }, /^ALLOWED_OPERATIONS_FILE must be a JSON file: ENOENT/],
])('doctor reports the files of the settings %j that a start would reject', async (settings, message) => {
  Object.assign(environment, settings);
  const { isWrong, of } = await examine();
  expect([isWrong, of('settings')]).toMatchObject([
    true,
    [{ state: 'wrong', message: expect.stringMatching(message) }],
  ]);
});

test.each([
  ['postgresql://127.0.0.1:1/none', /^Cannot connect to PostgreSQL at 127\.0\.0\.1:1\/none: .*ECONNREFUSED/],
  ['mysql://127.0.0.1/none', /^Skipped: fix the settings first/],
])('doctor reports why the DATABASE_URL %s cannot be used', async (databaseUrl, message) => {
  url = databaseUrl;
  const { isWrong, of } = await examine();
  expect([isWrong, of('database')]).toMatchObject([
    true,
    [{ state: 'wrong', message: expect.stringMatching(message) }],
  ]);
});

describe('the embedded PostgreSQL', () => {
  test('doctor does not create an embedded PostgreSQL; it starts, checks and stops an existing one', async () => {
    const folder = await createTestFolder();
    url = '';
    environment['DATA_DIR'] = join(folder, 'data');
    const none = await examine();
    expect([none.isWrong, none.checks.map(({ name }) => name)]).toStrictEqual([
      false,
      ['settings', 'data folder', 'disk space'],
    ]);
    expect(none.of('data folder')[0]!.message).toContain(
      'No embedded database yet: the first start creates it in',
    );
    expect(await readdir(folder)).toStrictEqual([]);

    const postgres = await openEmbeddedPostgres(environment['DATA_DIR']);
    await postgres.close();
    const { isWrong, of } = await examine();
    expect([isWrong, of('data folder'), of('database'), of('migrations')]).toMatchObject([
      false,
      [{ state: 'ok', message: expect.stringContaining('exists and belongs to') }],
      [{ state: 'ok' }],
      [{ state: 'warning' }],
    ]);
    expect(await readdir(join(environment['DATA_DIR'], 'postgres'))).not.toContain('postmaster.pid');
    await rm(folder, { recursive: true, force: true });
  });

  test('doctor reports a data folder that cannot be created', async () => {
    url = '';
    environment['DATA_DIR'] = '/dev/null/data';
    const { isWrong, of } = await examine();
    expect([isWrong, of('data folder')[0]!.state]).toStrictEqual([true, 'wrong']);
  });

  test('doctor reports an embedded PostgreSQL that is a standby', async () => {
    const folder = await createTestFolder();
    url = '';
    environment['DATA_DIR'] = folder;
    const postgres = await openEmbeddedPostgres(folder);
    await postgres.close();
    await writeFile(join(folder, 'postgres', 'standby.signal'), '');
    const { isWrong, of } = await examine();
    await rm(folder, { recursive: true, force: true });
    expect([isWrong, of('database')]).toMatchObject([
      true,
      [{ state: 'wrong', message: expect.stringContaining('is a standby') }],
    ]);
  });

  /** Expects the error of the start, and that nothing was created. */
  const expectSameError = async (message: RegExp) => {
    url = '';
    const { isWrong, of } = await examine();
    expect([isWrong, of('data folder')]).toMatchObject([
      true,
      [{ state: 'wrong', message: expect.stringMatching(message) }],
    ]);
    const { code, stderr } = await run('migrate');
    expect([code, stderr]).toStrictEqual([1, expect.stringContaining(of('data folder')[0]!.message)]);
  };

  test('doctor reports a socket path that is too long', async () => {
    const folder = await createTestFolder();
    environment['DATA_DIR'] = join(folder, 'x'.repeat(90));
    await expectSameError(/^DATA_DIR must be a shorter path/);
    expect(await readdir(folder)).toStrictEqual([]);
    await rm(folder, { recursive: true, force: true });
  });

  const testAsRoot = process.getuid?.() === 0 ? test : test.skip;

  testAsRoot("cannot be made in another user's folder with something in it", async () => {
    const folder = await createTestFolder();
    await writeFile(join(folder, 'letter'), '');
    environment['DATA_DIR'] = folder;
    await expectSameError(/it is neither empty nor owned by the user group-api$/);
    expect(await readdir(folder)).toStrictEqual(['letter']);
    await rm(folder, { recursive: true, force: true });
  });

  testAsRoot('can be made beside the copied binaries', async () => {
    const folder = await createTestFolder();
    await mkdir(join(folder, 'postgresql-18.0.0'));
    url = '';
    environment['DATA_DIR'] = folder;
    const { isWrong, of } = await examine();
    expect([isWrong, of('data folder')]).toMatchObject([
      false,
      [{ state: 'ok', message: expect.stringContaining('the first start creates it in') }],
    ]);
    await rm(folder, { recursive: true, force: true });
  });

  testAsRoot('cannot be made below a path that its user cannot enter', async () => {
    const folder = await createTestFolder();
    await chmod(folder, 0o700);
    environment['DATA_DIR'] = join(folder, 'data');
    await expectSameError(/the user group-api cannot enter \S+\. Allow access to it/);
    expect(await readdir(folder)).toStrictEqual([]);
    await rm(folder, { recursive: true, force: true });
  });
});
