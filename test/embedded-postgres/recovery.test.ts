import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { openEmbeddedPostgres } from '../../src/embedded-postgres/cluster.ts';
import { bin, cwd } from '../support/command-line.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { testKey, type Json } from '../support/test-app.ts';
import { useTestFolder } from '../support/test-folder.ts';

const dir = useTestFolder();
const running = new Set<ServerProcess>();
afterEach(async () => {
  for (const server of running) server.kill('SIGTERM');
  await Promise.all([...running].map(({ exited }) => exited));
  running.clear();
});

const start = async (dataDir: string) => {
  const server = startServer({ DATA_DIR: dataDir, ADMIN_API_KEY: testKey });
  running.add(server);
  return { server, url: (await server.ready).url };
};
const pidOf = (dataDir: string) =>
  parseInt(readFileSync(join(dataDir, 'postgres/postmaster.pid'), 'utf8'), 10);
const kill = (dataDir: string) => {
  const pid = pidOf(dataDir);
  process.kill(pid, 'SIGKILL');
  return pid;
};
const readyz = async (url: string) => {
  const response = await fetch(`${url}/readyz`);
  return { status: response.status, retryAfter: response.headers.get('retry-after') };
};
const untilReadyzIs = async (url: string, status: number) => {
  for (const deadline = Date.now() + 60_000; ; await sleep(20)) {
    const answer = await readyz(url);
    if (answer.status === status) return answer;
    if (Date.now() > deadline) throw new Error(`/readyz is ${answer.status}, not ${status}`);
  }
};
const deleteGroup = async (url: string, id: number) => {
  const headers = { 'Content-Type': 'application/json', 'X-APIKEY': testKey };
  const response = await fetch(`${url}/deleteGroup`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ id }),
  });
  const { data, errors } = (await response.json()) as Json;
  return {
    status: response.status,
    retryAfter: response.headers.get('retry-after'),
    id: data?.deleteGroup?.id,
    errors,
  };
};
const stop = async (server: ServerProcess) => {
  running.delete(server);
  server.kill('SIGTERM');
  const { code, stderr } = await server.exited;
  expect(code).toBe(0);
  return stderr.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
};

test('a killed PostgreSQL is restarted: calls get 503 meanwhile, no data is lost, and a stop ends both processes', async () => {
  const dataDir = join(dir, 'killed');
  const { server, url } = await start(dataDir);
  expect((await deleteGroup(url, 1)).id).toBe(1);

  const startedAgain = 'restarted the embedded PostgreSQL, which had stopped';
  const countStarts = () => server.stderr().split(startedAgain).length - 1;
  for (const [index, id] of [2, 3].entries()) {
    const pid = kill(dataDir);
    expect(await untilReadyzIs(url, 503)).toStrictEqual({ status: 503, retryAfter: '1' });
    await untilReadyzIs(url, 200);
    expect(pidOf(dataDir)).not.toBe(pid);
    expect(await deleteGroup(url, id)).toMatchObject({ status: 200, id });
    expect((await deleteGroup(url, 1)).status).toBe(404);
    // Connections are replaced before the restart is complete.
    for (const deadline = Date.now() + 60_000; countStarts() <= index; await sleep(20))
      if (Date.now() > deadline) throw new Error(server.stderr());
  }

  const last = pidOf(dataDir);
  const log = await stop(server);
  while (existsSync(`/proc/${last}`)) await sleep(20);
  expect(() => pidOf(dataDir)).toThrow('ENOENT');
  const starts = log.filter(({ msg }) => msg === startedAgain);
  expect(starts).toHaveLength(2);
  expect(starts[0]).toMatchObject({ level: 40, reason: expect.any(String) });
});

test('of two servers that share a PostgreSQL one restarts it, and both continue', async () => {
  const dataDir = join(dir, 'shared');
  const servers = [await start(dataDir), await start(dataDir)];
  const pid = kill(dataDir);
  await Promise.all(servers.map(({ url }) => untilReadyzIs(url, 503)));
  await Promise.all(servers.map(({ url }) => untilReadyzIs(url, 200)));
  expect(pidOf(dataDir)).not.toBe(pid);
  for (const [index, { url }] of servers.entries())
    expect(await deleteGroup(url, index + 1)).toMatchObject({ status: 200, id: index + 1 });

  await stop(servers[0]!.server);
  await untilReadyzIs(servers[1]!.url, 200);
  await stop(servers[1]!.server);
  expect(() => pidOf(dataDir)).toThrow('ENOENT');
});

test('concurrent restarts leave the lock file of the PostgreSQL that runs, so that a stop ends it', async () => {
  const dataDir = join(dir, 'restarts');
  const shared = [await openEmbeddedPostgres(dataDir), await openEmbeddedPostgres(dataDir)];
  const { signal } = new AbortController();
  for (let round = 0; round < 8; round++) {
    const killed = kill(dataDir);
    while (existsSync(`/proc/${killed}`)) await sleep(1);
    // The second one begins while the first one starts PostgreSQL.
    await Promise.all(
      shared.map(async (postgres, index) => {
        await sleep(index * round * 10);
        await postgres.restart(signal);
      }),
    );
    expect(readFileSync(`/proc/${pidOf(dataDir)}/comm`, 'utf8').trim()).toBe('postgres');
  }
  const last = pidOf(dataDir);
  await shared[0]!.close();
  expect(() => pidOf(dataDir)).toThrow('ENOENT');
  while (existsSync(`/proc/${last}`)) await sleep(20);
}, 180_000);

test('on a full disk the restart is retried and the reason logged; it succeeds once there is space', async () => {
  const dataDir = join(dir, 'full');
  const { server, url } = await start(dataDir);
  // PostgreSQL writes this file at each start. The system error is that of a full disk.
  const options = join(dataDir, 'postgres/postmaster.opts');
  await rm(options);
  await symlink('/dev/full', options);
  kill(dataDir);
  await untilReadyzIs(url, 503);
  expect(await deleteGroup(url, 1)).toMatchObject({
    status: 503,
    retryAfter: '1',
    errors: [{ extensions: { code: 'SERVICE_UNAVAILABLE' } }],
  });
  const problems = () =>
    server
      .stderr()
      .split('\n')
      .filter((line) => line.includes('failed to restart') && line.includes('No space left on device'));
  for (const deadline = Date.now() + 60_000; problems().length === 0; await sleep(50))
    if (Date.now() > deadline) throw new Error(server.stderr());
  expect((await fetch(`${url}/livez`)).status).toBe(200);

  await rm(options);
  await untilReadyzIs(url, 200);
  expect(await deleteGroup(url, 1)).toMatchObject({ status: 200, id: 1 });
  const log = await stop(server);
  const attempts = log.filter(({ msg }) => msg === 'failed to restart the embedded PostgreSQL');
  expect(attempts[0]).toMatchObject({ level: 50, nextAttemptInSeconds: 1 });
});

test('a command does not restart a PostgreSQL that has ended', async () => {
  const dataDir = join(dir, 'killed');
  const child = spawn(process.execPath, [bin, 'groups', 'import', '-'], {
    cwd,
    env: { PATH: process.env['PATH'], DATA_DIR: dataDir },
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise((resolve) => child.on('close', resolve));
  const isRunning = () => {
    try {
      return readFileSync(`/proc/${pidOf(dataDir)}/task/${pidOf(dataDir)}/children`, 'utf8')
        .trim()
        .split(' ')
        .some((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('idle in transaction'));
    } catch {
      return false;
    }
  };
  while (!isRunning()) await sleep(20);
  const pid = kill(dataDir);
  child.stdin.end('{}\n');
  expect(await ended).toBe(1);
  // The command fails because of its input or of the database, whichever it finds first.
  expect(stderr).toContain('The database is not available');
  // The lock file of the killed PostgreSQL still exists: no PostgreSQL was started or stopped.
  expect(pidOf(dataDir)).toBe(pid);
});
