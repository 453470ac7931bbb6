import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { sendIncompleteRequest } from '../support/incomplete-request.ts';
import { startServer } from '../support/server-process.ts';
import { plainGroup, testKey } from '../support/test-app.ts';
import { useTestFolder } from '../support/test-folder.ts';
import { waitUntil } from '../support/wait-until.ts';
import { childrenOf, isRunning, linesOf, pidsOf, post, useServersWithWorkers } from '../support/workers.ts';

// WORKERS: several processes that serve one port. Their starts take long on a busy machine.
jest.setTimeout(300_000);

const dataDir = useTestFolder();
const { database, start, endAfterTest } = useServersWithWorkers();

test('WORKERS=3: three processes share the port, and each log line names its process', async () => {
  const { server, url } = await start({ WORKERS: '3' });
  const workers = childrenOf(server.pid);
  expect(workers).toHaveLength(3);
  await waitUntil(async () => {
    expect((await post(url, 'allGroups', {})).status).toBe(200);
    return pidsOf(server, 'request').size === 3;
  });
  expect(pidsOf(server, 'request')).toStrictEqual(new Set(workers));
});

test('without WORKERS, the server is one process', async () => {
  const { server, url } = await start({});
  expect((await post(url, 'allGroups', {})).status).toBe(200);
  expect(childrenOf(server.pid)).toStrictEqual([]);
  await waitUntil(() => pidsOf(server, 'request').size > 0);
  expect([...pidsOf(server, 'request')]).toStrictEqual([server.pid]);
});

test('with several workers, failed sign-ins have one limit, and do not affect a valid key', async () => {
  const { server, url } = await start({ WORKERS: '3', FAILED_SIGN_INS_PER_MINUTE: '6' });
  const statuses: number[] = [];
  for (let attempt = 0; attempt < 8; attempt++)
    statuses.push((await post(url, 'allGroups', {}, `wrong-key-${attempt}`)).status);
  expect(statuses).toStrictEqual([401, 401, 401, 401, 401, 401, 429, 429]);
  expect((await post(url, 'allGroups', {})).status).toBe(200);
  await waitUntil(() => linesOf(server, 'request').length === 9);
  expect(pidsOf(server, 'request').size).toBe(3);
});

test('with several workers, the rates of an account and of an address each have one count', async () => {
  const { server, url } = await start({
    WORKERS: '2',
    RATE_LIMIT_PER_ACCOUNT: '4',
    RATE_LIMIT_PER_ADDRESS: '1000',
  });
  const responses = [];
  for (let index = 0; index < 6; index++) responses.push(await post(url, 'allGroups', {}));
  expect(responses.map(({ status, remaining }) => [status, remaining])).toStrictEqual([
    [200, '3'],
    [200, '2'],
    [200, '1'],
    [200, '0'],
    [429, '0'],
    [429, '0'],
  ]);
  await waitUntil(() => pidsOf(server, 'request').size === 2);
});

test.each(['SIGTERM', 'SIGINT'] as const)(
  'on %s each worker completes its request in flight, then all processes end with exit code 0',
  async (signal) => {
    const { server, url } = await start({ WORKERS: '2' });
    const workers = childrenOf(server.pid);
    const sockets = [];
    for (let index = 0; index < 4; index++) sockets.push(await sendIncompleteRequest(url, '/allGroups'));
    server.kill(signal);
    await waitUntil(() => linesOf(server, 'stopping').length === 1);
    const statuses = await Promise.all(
      sockets.map(async (socket) => {
        socket.write(`${' '.repeat(98)}}`);
        const [data] = (await once(socket, 'data')) as [Buffer];
        socket.destroy();
        return data.toString().split(' ')[1];
      }),
    );
    expect(statuses).toStrictEqual(['200', '200', '200', '200']);
    expect((await server.exited).code).toBe(0);
    expect(workers.filter(isRunning)).toStrictEqual([]);
    // Both workers had one of the requests.
    expect(pidsOf(server, 'request').size).toBe(2);
  },
);

test('a start that no worker can complete ends with its reason and exit code 1, and leaves no process', async () => {
  const blocker = createServer().listen(0, '127.0.0.1');
  await once(blocker, 'listening');
  try {
    const { port } = blocker.address() as AddressInfo;
    const failing = startServer({
      DATABASE_URL: database.url,
      ADMIN_API_KEY: testKey,
      PORT: String(port),
      WORKERS: '2',
    });
    const { code, stderr } = await failing.exited;
    expect(code).toBe(1);
    expect(stderr).toContain(`group-api: Another program listens on 127.0.0.1:${port}. Stop it, or set PORT`);
  } finally {
    blocker.close();
  }
});

/** Opens a connection and sends a request. Resolves to the socket, which is closed unless the server has responded. */
const openConnection = (url: string) =>
  new Promise<Socket>((resolve) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket
      .on('error', () => undefined)
      .once('data', () => resolve(socket))
      .once('close', () => resolve(socket))
      .write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n');
  });

test('MAX_CONNECTIONS applies to each worker: further connections are closed, and all processes remain', async () => {
  const { server, url } = await start({ WORKERS: '2', MAX_CONNECTIONS: '3' });
  const workers = childrenOf(server.pid);
  const kept: Socket[] = [];
  try {
    await waitUntil(async () => {
      const socket = await openConnection(url);
      if (!socket.closed) kept.push(socket);
      return kept.length === 6;
    });
    for (let further = 0; further < 20; further++) expect((await openConnection(url)).closed).toBe(true);
  } finally {
    for (const socket of kept) socket.destroy();
  }
  await waitUntil(async () => (await post(url, 'allGroups', {}).catch(() => undefined))?.status === 200);
  expect(childrenOf(server.pid)).toStrictEqual(workers);
});

test('a share of the pool below 5 connections a worker is a warning', async () => {
  const { server } = await start({ WORKERS: '2', DATABASE_POOL_SIZE: '8' });
  const warning = /DATABASE_POOL_SIZE=8 gives each of 2 WORKERS 4 of at least 5 connections.*to 10 or more/;
  expect(server.stderr()).toMatch(warning);
});

test('with several workers, a first start creates one database and one admin key; a stop ends PostgreSQL too', async () => {
  const server = endAfterTest(startServer({ WORKERS: '2', DATA_DIR: join(dataDir, 'data') }));
  const { text, url, key } = await server.ready;
  expect(text.match(/Key /g)).toHaveLength(1);
  const { status, body } = await post(url, 'allGroups', {}, key);
  expect([status, body.data.allGroups.length]).toStrictEqual([200, 5]);
  const lock = join(dataDir, 'data/postgres/postmaster.pid');
  expect(existsSync(lock)).toBe(true);
  server.kill('SIGTERM');
  expect((await server.exited).code).toBe(0);
  expect(existsSync(lock)).toBe(false);
});

test('with several workers, the connections of all together are those of DATABASE_POOL_SIZE, and 1 of the primary', async () => {
  const { server, url } = await start({ WORKERS: '2', DATABASE_POOL_SIZE: '4' });
  const largest = { workers: 0, primary: 0 };
  const ended = new AbortController();
  const clients = Array.from({ length: 12 }, async () => {
    while (!ended.signal.aborted) await post(url, 'createGroup', { group: plainGroup });
  });
  try {
    await waitUntil(async () => {
      const rows = await database.sql<{ name: string; count: number }>(
        `SELECT application_name AS name, count(*)::int AS count FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'group-api:%'
           AND query NOT LIKE 'LISTEN%' GROUP BY 1`,
      );
      for (const { name, count } of rows) {
        const role = name === `group-api:${server.pid}` ? 'primary' : 'workers';
        largest[role] = Math.max(largest[role], count);
      }
      return linesOf(server, 'request').length > 200;
    });
  } finally {
    ended.abort();
    await Promise.all(clients);
  }
  // The watchdog of each process has 1 more.
  expect(largest.workers).toBe(3);
  expect(largest.primary).toBeLessThanOrEqual(2);
});
