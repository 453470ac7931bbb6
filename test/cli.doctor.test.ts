import { readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { openEmbeddedPostgres } from '../src/database/embedded-postgres.ts';
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

test('finds a database in order, prints a line a check, and changes nothing', async () => {
  const before = await describeSchema();
  const { code, stdout } = await run('doctor');
  expect([code, stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 2))]).toStrictEqual([
    0,
    [
      ['STATE', 'CHECK'],
      ...['settings', 'database', 'migrations', 'permissions', 'sequences', 'audit', 'clock'].map((name) => [
        'ok',
        name,
      ]),
      [''],
    ],
  ]);
  expect(stdout).toMatch(/PostgreSQL \d+(\.\d+)?.*, encoded in UTF8/);
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

  test('may do all that a server does, and imports with one more grant', async () => {
    const { isWrong, of } = await examine();
    expect(isWrong).toBe(false);
    expect(of('audit')).toMatchObject([{ state: 'ok', message: expect.stringContaining('by its rights') }]);
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
    expect((await run('groups', 'import', '/dev/null')).stderr).toContain(
      'Line 1: the file ends without its counts',
    );
  });

  test.each([
    [
      'permissions',
      'REVOKE DELETE ON groups FROM',
      'GRANT DELETE ON groups TO',
      'lacks rights: GRANT DELETE ON groups TO',
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
  ])('%s: %s it is wrong', async (name, take, give, message) => {
    await database.sql(`${take} ${role}`);
    const found = (await examine()).of(name);
    await database.sql(`${give} ${role}`);
    expect(found).toMatchObject([{ state: 'wrong', message: expect.stringContaining(message) }]);
    expect((await examine()).isWrong).toBe(false);
  });

  test('that may change the audit too is warned of', async () => {
    await database.sql(`GRANT DELETE ON audit_events TO ${role}`);
    const found = (await examine()).of('audit');
    await database.sql(`REVOKE DELETE ON audit_events FROM ${role}`);
    expect(found).toMatchObject([
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
    'The database has the migration 9999_later, which this version of group-api does not know',
  ],
  [
    'audit',
    'ALTER TABLE audit_events DISABLE TRIGGER audit_events_append_only',
    'ENABLE TRIGGER audit_events_append_only',
  ],
])('%s: after %s it is wrong', async (name, statement, message) => {
  const own = await createTestDatabase();
  url = own.url;
  await own.sql(statement);
  const { isWrong, of } = await examine();
  expect(isWrong).toBe(true);
  expect(of(name)).toMatchObject([{ state: 'wrong', message: expect.stringContaining(message) }]);
  await own.drop();
});

test('names the migrations that an empty database lacks, and applies none', async () => {
  const own = await createTestDatabase({ isEmpty: true });
  url = own.url;
  const { isWrong, of } = await examine();
  expect([isWrong, of('migrations')]).toMatchObject([
    false,
    [
      {
        state: 'warning',
        message: expect.stringMatching(/^0 are applied, 0001_groups, .*the next start applies them/),
      },
    ],
  ]);
  expect(await own.sql(`SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace`)).toStrictEqual([]);
  await own.drop();
});

test('reports wrong settings, one a line, and goes on with the others', async () => {
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
    'wrong TLS_CERT_FILE must be a file that can be read, not /no/file',
    'wrong TLS_KEY_FILE must be a file that can be read, not /no/key',
  ]);
  expect(of('permissions')).toMatchObject([{ state: 'ok' }]);
});

test.each([
  ['postgresql://127.0.0.1:1/none', /^Cannot connect to PostgreSQL at 127\.0\.0\.1:1\/none: .*ECONNREFUSED/],
  ['mysql://127.0.0.1/none', /^It cannot be looked for before the settings are right/],
])('says of %s what is wrong', async (given, message) => {
  url = given;
  const { isWrong, of } = await examine();
  expect([isWrong, of('database')]).toMatchObject([
    true,
    [{ state: 'wrong', message: expect.stringMatching(message) }],
  ]);
});

describe('the embedded PostgreSQL', () => {
  test('is not made; one that is there is looked at, and stopped again', async () => {
    const folder = await createTestFolder();
    url = '';
    environment['DATA_DIR'] = join(folder, 'data');
    const none = await examine();
    expect([none.isWrong, none.checks.map(({ name }) => name)]).toStrictEqual([
      false,
      ['settings', 'data folder', 'disk space'],
    ]);
    expect(none.of('data folder')[0]!.message).toContain(
      'There is no embedded database yet: the first start makes it in',
    );
    expect(await readdir(folder)).toStrictEqual([]);

    const postgres = await openEmbeddedPostgres(environment['DATA_DIR']);
    await postgres.close();
    const { isWrong, of } = await examine();
    expect([isWrong, of('data folder'), of('database'), of('migrations')]).toMatchObject([
      false,
      [{ state: 'ok', message: expect.stringContaining('is there and belongs to') }],
      [{ state: 'ok' }],
      [{ state: 'warning' }],
    ]);
    expect(await readdir(join(environment['DATA_DIR'], 'postgres'))).not.toContain('postmaster.pid');
    await rm(folder, { recursive: true, force: true });
  });

  test('cannot be made where there is no folder', async () => {
    url = '';
    environment['DATA_DIR'] = '/dev/null/data';
    const { isWrong, of } = await examine();
    expect([isWrong, of('data folder')[0]!.state]).toStrictEqual([true, 'wrong']);
  });
});
