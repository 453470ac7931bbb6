import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { useDoctor } from '../support/doctor.ts';
import { createTestDatabase, urlAs, type TestDatabase } from '../support/test-database.ts';

const { database, target, run, examine } = useDoctor();

describe('the role of docs/operations.md', () => {
  const role = 'doctor_test';
  beforeAll(async () => {
    const operations = await readFile('docs/operations.md', 'utf8');
    const [, statements] = /```sql\n(CREATE ROLE group_api [^`]+)```/.exec(operations)!;
    await database.sql(statements!.replaceAll('group_api', role));
  });
  afterAll(() => database.sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`));
  beforeEach(() => {
    target.url = urlAs(role, database.url);
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
    expect(
      await database.sql(`SELECT outcome, error_code FROM audit_events WHERE operation = 'groups import'`),
    ).toStrictEqual([{ outcome: 'refused', error_code: 'FORBIDDEN' }]);
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

describe('doctor with pending migrations', () => {
  const role = 'doctor_migrates';
  let own: TestDatabase;
  const grantCreate = 'GRANT CREATE ON SCHEMA public TO';
  beforeEach(async () => {
    own = await createTestDatabase({ isEmpty: true });
    await own.sql(`CREATE ROLE ${role} LOGIN`);
    target.url = urlAs(role, own.url);
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

  test('doctor reports a role that does not own the tables to change, or cannot create the schema of the RADIUS views; for the owner it suggests a start', async () => {
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
    const withoutSchema = await examine();
    await own.sql(`CREATE SCHEMA radius AUTHORIZATION ${role}`);
    const { of } = await examine();
    expect([lacking, withoutSchema, { of }].map((report) => report.of('migrations'))).toMatchObject([
      [
        {
          state: 'wrong',
          message: expect.stringMatching(
            /lacks CREATE on the database, for the schema radius of the RADIUS views, INSERT on _prisma_migrations, UPDATE on _prisma_migrations, REFERENCES on groups(, the ownership of (api_keys|groups|service_groups)){3}$/,
          ),
        },
      ],
      [
        {
          state: 'wrong',
          message: expect.stringMatching(
            /lacks CREATE on the database, for the schema radius of the RADIUS views$/,
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
