import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { openEmbeddedPostgres, type EmbeddedPostgres } from '../../src/embedded-postgres/cluster.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { openTestApp, type TestApp } from '../support/test-app.ts';
import { urlOf, useTestDatabase } from '../support/test-database.ts';
import { createTestFolder } from '../support/test-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

// Uses a separate PostgreSQL, which can be stopped without affecting other tests.
let dataDir: string;
let postgres: EmbeddedPostgres;
let app: TestApp;

beforeAll(async () => {
  dataDir = await createTestFolder();
  postgres = await openEmbeddedPostgres(dataDir);
  app = await openTestApp({}, useTestDatabase(urlOf(postgres.connection)));
});
afterAll(async () => {
  await app.close();
  await postgres.close();
  await rm(dataDir, { recursive: true, force: true });
});

test('calls in flight get 503 when PostgreSQL stops', async () => {
  const id = await app.createGroup();
  const locker = await openSecondConnection(app);
  await locker.lockGroup(id);
  const inFlight = [
    app.post('/deleteGroup', { id }),
    app.post('/editGroup', { id, group: { name: 'New' } }),
    app.post('/deleteGroup', { id, dryRun: true }),
  ];
  await locker.waitForBlocked(inFlight.length);
  await postgres.close();
  for (const { status, body } of await Promise.all(inFlight)) {
    expect([status, body.errors[0].extensions.code]).toStrictEqual([503, 'SERVICE_UNAVAILABLE']);
  }
  await locker.close();
  postgres = await openEmbeddedPostgres(dataDir);
});

test('calls get 503 within 5 s while PostgreSQL hangs, and succeed after it resumes', async () => {
  const id = await app.createGroup();
  // PostgreSQL has received the delete below, and executes it when it resumes.
  const otherId = await app.createGroup();
  const [pid] = (await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n');
  // The parent is stopped first and resumed last: meanwhile children that exit remain, and can receive signals.
  process.kill(Number(pid), 'SIGSTOP');
  const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=', '--ppid', pid!]);
  const children = stdout.trim().split(/\s+/).map(Number);
  for (const child of children) process.kill(child, 'SIGSTOP');
  try {
    const start = Date.now();
    const answers = await Promise.all([
      app.post('/deleteGroup', { id }),
      app.post('/allGroups', {}),
      app.send('/readyz'),
    ]);
    expect(Date.now() - start).toBeLessThan(5000);
    expect(answers.map(({ status }) => status)).toStrictEqual([503, 503, 503]);
  } finally {
    for (const stoppedPid of [...children, Number(pid)]) process.kill(stoppedPid, 'SIGCONT');
  }
  expect((await app.post('/group', { id: otherId })).status).toBe(200);
});

test('calls get 503 within 5 s while PostgreSQL is stopped, and succeed after its restart', async () => {
  const id = await app.createGroup();
  await postgres.close();

  const start = Date.now();
  const answers = await Promise.all([
    app.post('/deleteGroup', { id }),
    app.post('/allGroups', {}),
    app.graphql('mutation ($id: Int!) { a: deleteGroup(id: $id) { id } b: deleteGroup(id: $id) { id } }', {
      id,
    }),
    app.graphql('{ allGroups { id } }', {}, { Accept: 'application/graphql-response+json' }),
    app.send('/readyz'),
  ]);
  expect(Date.now() - start).toBeLessThan(5000);
  for (const { status, headers } of answers) {
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('1');
  }
  for (const { body } of answers.slice(0, 4)) {
    expect(body.errors[0]).toMatchObject({
      message: 'The database is not available at the moment. Try again later',
      extensions: { code: 'SERVICE_UNAVAILABLE' },
    });
  }
  expect(answers[2].body).not.toHaveProperty('data');
  expect(answers[4].body).toStrictEqual({ status: 'unavailable', reason: 'database' });
  expect((await app.send('/livez')).status).toBe(200);

  postgres = await openEmbeddedPostgres(dataDir);
  expect((await app.send('/readyz')).status).toBe(200);
  expect((await app.post('/deleteGroup', { id })).body.data.deleteGroup).toMatchObject({ id });
});

describe.each([
  [
    'the database does not exist',
    'ALTER DATABASE postgres RENAME TO renamed',
    'ALTER DATABASE renamed RENAME TO postgres',
  ],
  ['the role may not sign in', 'ALTER ROLE postgres NOLOGIN', 'ALTER ROLE postgres LOGIN'],
])('while %s,', (_what, prevent, restore) => {
  let admin: pg.Client;
  /** Ends all other sessions and waits for their processes to exit: a dying one would fail a later call. */
  const endSessions = () =>
    admin.query(
      'SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname IS NOT NULL AND pid <> pg_backend_pid()',
    );
  /** Executes a statement that open sessions may prevent. */
  const execute = (statement: string) =>
    waitUntil(async () => {
      await endSessions();
      return admin.query(statement).then(
        () => true,
        () => false,
      );
    });
  beforeAll(async () => {
    admin = new pg.Client({ connectionString: urlOf({ ...postgres.connection, database: 'template1' }) });
    await admin.connect();
  });
  afterAll(() => admin.end());

  test('calls get 503, and succeed afterwards', async () => {
    const id = await app.createGroup();
    await execute(prevent);
    await endSessions();
    const calls = [
      () => app.post('/deleteGroup', { id }),
      () => app.post('/editGroup', { id, group: { name: 'E' } }),
      () => app.post('/deleteGroup', { id, dryRun: true }),
      () => app.post('/group', { id }),
      () => app.graphql('{ allGroups { id } }'),
    ];
    const services = [
      () => app.post('/api/v4/autodialer/groups/add', { name: 'n', numbers: ['1'] }),
      () => app.post('/api/v4/autodialer/groups/search', {}),
    ];
    // Twice: the first calls may find connections that were ended.
    for (const round of [1, 2]) {
      for (const call of calls) {
        const { status, headers, body } = await call();
        expect([round, status, headers.get('retry-after'), body.errors]).toMatchObject([
          round,
          503,
          '1',
          [
            {
              message: 'The database is not available at the moment. Try again later',
              extensions: { code: 'SERVICE_UNAVAILABLE' },
            },
          ],
        ]);
      }
      for (const call of services) {
        const { status, body } = await call();
        expect([round, status, body.success]).toStrictEqual([round, 503, 0]);
      }
    }
    expect((await app.send('/readyz')).status).toBe(503);

    await execute(restore);
    expect((await app.post('/group', { id })).body.data.group).toMatchObject({ name: 'Plain' });
    expect((await app.post('/deleteGroup', { id })).status).toBe(200);
  });
});
