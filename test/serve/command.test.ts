import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { bin } from '../support/command-line.ts';
import { startServer } from '../support/server-process.ts';
import { testKey } from '../support/test-app.ts';
import { createTestFolder } from '../support/test-folder.ts';

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
