import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { bin, createCommandLine } from './support/command-line.ts';
import { startServer } from './support/server-process.ts';
import { testKey } from './support/test-app.ts';
import { createTestDatabase, type TestDatabase } from './support/test-database.ts';
import { createTestFolder } from './support/test-folder.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ isEmpty: true });
});
afterAll(() => database.drop());

const { run } = createCommandLine(() => database);
const tables = () =>
  database.sql(`SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1`);

test('migrate applies and lists all migrations on an empty database; a second run applies none', async () => {
  const first = await run('migrate', '--json');
  expect([first.code, first.stderr]).toStrictEqual([0, '']);
  const { applied } = JSON.parse(first.stdout) as { applied: string[] };
  expect(applied[0]).toBe('0001_groups');
  expect(await database.sql('SELECT migration_name FROM _prisma_migrations ORDER BY 1')).toStrictEqual(
    applied.map((name) => ({ migration_name: name })),
  );
  const made = await tables();
  expect(await run('migrate')).toStrictEqual({
    code: 0,
    stdout: expect.stringMatching(/^Nothing to do: PostgreSQL at .* is up to date\n$/),
    stderr: '',
  });
  expect(await tables()).toStrictEqual(made);
  expect(await database.sql('SELECT FROM accounts')).toStrictEqual([]);
});

test('serve runs the server as npm start does, and stops on a signal', async () => {
  const folder = await createTestFolder();
  const settings = { DATA_DIR: join(folder, 'data'), ADMIN_API_KEY: testKey };
  const server = startServer(settings, [], [bin, 'serve']);
  const { url, text } = await server.ready;
  expect(text).toContain('group-api is ready');
  const answer = await fetch(`${url}/allGroups`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-APIKEY': testKey },
    body: '{}',
  });
  expect(answer.status).toBe(200);
  server.kill('SIGTERM');
  expect((await server.exited).code).toBe(0);
  await rm(folder, { recursive: true, force: true });
});

test('a command that is interrupted stops the embedded PostgreSQL that it started', async () => {
  const folder = await createTestFolder();
  const child = spawn(process.execPath, [bin, 'groups', 'list'], {
    env: { PATH: process.env['PATH'], DATA_DIR: join(folder, 'data') },
    stdio: 'ignore',
  });
  const isRunning = () => existsSync(join(folder, 'data/postgres/postmaster.pid'));
  while (!isRunning()) await sleep(20);
  child.kill('SIGTERM');
  const [code, signal] = await once(child, 'exit');
  expect([code, signal]).toStrictEqual([1, null]);
  expect(isRunning()).toBe(false);
  await rm(folder, { recursive: true, force: true });
});
