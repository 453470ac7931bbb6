import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { Agent as SecureAgent, get } from 'node:https';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import { sendIncompleteRequest } from '../support/incomplete-request.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { plainGroup, testKey, type Json } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { createTestFolder, useTestFolder } from '../support/test-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

// WORKERS: several processes that serve one port. Their starts take long on a busy machine.
jest.setTimeout(300_000);

const dataDir = useTestFolder();
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

let running: ServerProcess | undefined;
afterEach(async () => {
  running?.kill('SIGTERM');
  await running?.exited;
  running = undefined;
});

const start = async (settings: Record<string, string>, folder?: string) => {
  const all = {
    DATABASE_URL: database.url,
    ADMIN_API_KEY: testKey,
    // Not tests of overload: see openTestApp.
    MAX_EVENT_LOOP_DELAY_MS: '60000',
    REQUEST_TIMEOUT_SECONDS: '120',
    ...settings,
  };
  const server = startServer(all, [], undefined, folder);
  running = server;
  const { url } = await server.ready;
  return { server, url };
};

/** Sends a POST on a new connection, so that the next worker receives it. */
const post = (url: string, path: string, body: object, key = testKey) =>
  new Promise<{ status: number; remaining: string | undefined; body: Json }>((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json', 'X-APIKEY': key };
    request(`${url}/${path}`, { method: 'POST', headers, agent: new Agent({ keepAlive: false }) })
      .on('response', (response) => {
        let text = '';
        response
          .on('data', (chunk: Buffer) => (text += chunk.toString()))
          .on('end', () => {
            const remaining = response.headers['ratelimit-remaining'] as string | undefined;
            resolve({ status: response.statusCode!, remaining, body: JSON.parse(text) });
          })
          .on('error', reject);
      })
      .on('error', reject)
      .end(JSON.stringify(body));
  });

const readLog = (process: ServerProcess): Json[] =>
  process
    .stderr()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line));
const linesOf = (process: ServerProcess, message: string) =>
  readLog(process).filter(({ msg }) => msg === message);
/** The processes that have written a line. */
const pidsOf = (process: ServerProcess, message: string) =>
  new Set(linesOf(process, message).map(({ pid }) => pid as number));
/** The children that run, without those that have ended and wait to be collected. */
const childrenOf = (pid: number): number[] => {
  try {
    return execFileSync('ps', ['-o', 'pid=,stat=', '--ppid', String(pid)])
      .toString()
      .trim()
      .split('\n')
      .filter((line) => !/ Z/.test(line))
      .map((line) => Number.parseInt(line, 10));
  } catch {
    return []; // ps has found none.
  }
};
const isRunning = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

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

test('a killed worker is replaced, while the other one serves; every successful call was executed once', async () => {
  const { server, url } = await start({ WORKERS: '2' });
  const [victim, survivor] = childrenOf(server.pid);
  const created: string[] = [];
  const failed: string[] = [];
  const ended = new AbortController();
  // Connections are lost, or rejected while no worker is free, but none hangs.
  const create = async (client: number) => {
    for (let call = 1; !ended.signal.aborted; call++) {
      const name = `call ${call} of client ${client}`;
      const status = await post(url, 'createGroup', { group: { ...plainGroup, name } }).then(
        (response) => response.status,
        () => undefined,
      );
      (status === 200 ? created : failed).push(name);
    }
  };
  const clients = [1, 2, 3, 4].map(create);
  await waitUntil(() => created.length > 5);
  process.kill(victim!, 'SIGKILL');
  const createdBefore = created.length;
  await waitUntil(() => linesOf(server, 'a worker ended unexpectedly, and is replaced').length === 1);
  await waitUntil(() => childrenOf(server.pid).length === 2 && created.length > createdBefore + 5);
  const [replacement] = childrenOf(server.pid).filter((pid) => pid !== survivor);
  await waitUntil(() => pidsOf(server, 'request').has(replacement!));
  ended.abort();
  await Promise.all(clients);

  const rows = await database.sql<{ name: string }>(
    `SELECT name FROM groups WHERE name LIKE 'call % of client %'`,
  );
  const stored = rows.map(({ name }) => name);
  // A call whose connection was lost may have been executed, once.
  const lost = failed.filter((name) => stored.includes(name));
  expect(stored.toSorted()).toStrictEqual([...created, ...lost].toSorted());
  expect(linesOf(server, 'a worker ended unexpectedly, and is replaced')[0]).toMatchObject({
    pid: server.pid,
    worker: victim,
    signal: 'SIGKILL',
  });
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

const certificates = fileURLToPath(new URL('../support/certificates/', import.meta.url));
let certificateDir: string;
beforeEach(async () => {
  certificateDir = await createTestFolder();
});
const place = async (name: string) => {
  await copyFile(`${certificates}${name}.crt`, join(certificateDir, 'crt'));
  await copyFile(`${certificates}${name}.key`, join(certificateDir, 'key'));
};

const startWithCertificate = async () => {
  await place('first');
  const { server } = await start({
    WORKERS: '2',
    TLS_CERT_FILE: join(certificateDir, 'crt'),
    TLS_KEY_FILE: join(certificateDir, 'key'),
  });
  return server;
};
const replacementsOf = (server: ServerProcess) =>
  linesOf(server, 'a worker ended unexpectedly, and is replaced').length;

test('a renewed certificate reaches every worker', async () => {
  const server = await startWithCertificate();
  await place('second');
  await waitUntil(() => pidsOf(server, 'reloaded the TLS certificate').size === 2);
});

test('if no worker serves and none can start, the server stops with the reason', async () => {
  const server = await startWithCertificate();
  const workers = childrenOf(server.pid);
  await writeFile(join(certificateDir, 'crt'), 'no certificate');
  for (const worker of workers) process.kill(worker, 'SIGKILL');
  const { code, stderr } = await server.exited;
  expect(code).toBe(1);
  expect(stderr).toMatch(/^group-api: A worker could not be replaced in 5 attempts\. TLS_CERT_FILE and/m);
  expect(workers.filter(isRunning)).toStrictEqual([]);
});

test('a worker that cannot start is tried again and again, while another one serves', async () => {
  const server = await startWithCertificate();
  const { url } = await server.ready;
  const [victim, survivor] = childrenOf(server.pid);
  const isLive = () =>
    new Promise<boolean>((resolve) => {
      get(`${url}/livez`, { agent: new SecureAgent({ keepAlive: false, rejectUnauthorized: false }) })
        .on('response', (response) => resolve(response.resume().statusCode === 200))
        .on('error', () => resolve(false));
    });
  await writeFile(join(certificateDir, 'crt'), 'no certificate');
  process.kill(victim!, 'SIGKILL');
  const failedStarts = () =>
    linesOf(server, 'a worker ended unexpectedly, and is replaced').filter(({ reason }) => reason);
  // As many as end a server without another worker.
  for (let count = 1; count <= 5; count++) await waitUntil(() => failedStarts().length >= count);
  expect(failedStarts()[4]!.reason).toMatch(/^TLS_CERT_FILE and/);
  expect(childrenOf(server.pid)).toContain(survivor);
  expect(await isLive()).toBe(true);

  await place('second');
  await waitUntil(() => linesOf(server, 'a replaced worker serves').length === 1);
  expect(linesOf(server, 'a worker cannot be replaced')).toStrictEqual([]);
  expect(await isLive()).toBe(true);
});

test('a process that the system cannot create is created later, and does not stop the server', async () => {
  const { server, url } = await start({ WORKERS: '2' });
  const [victim, survivor] = childrenOf(server.pid);
  const limitFiles = (limit: string) =>
    execFileSync('prlimit', ['--pid', String(server.pid), `--nofile=${limit}:`]);
  const [, usual] = /^Max open files +(\d+)/m.exec(readFileSync(`/proc/${server.pid}/limits`, 'utf8'))!;
  limitFiles('3');
  process.kill(victim!, 'SIGKILL');
  await waitUntil(() => /A worker process could not be created: spawn \S+ EMFILE/.test(server.stderr()));
  limitFiles(usual!);
  await waitUntil(() => linesOf(server, 'a replaced worker serves').length === 1);
  const workers = childrenOf(server.pid);
  expect(workers).toHaveLength(2);
  expect(workers).toContain(survivor);
  await waitUntil(async () => {
    await post(url, 'allGroups', {});
    return workers.every((pid) => pidsOf(server, 'request').has(pid));
  });
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

test('a replaced worker has the settings of the others, whatever .env is now, and creates no admin account', async () => {
  const folder = await createTestFolder();
  await writeFile(join(folder, '.env'), 'RATE_LIMIT_PER_ACCOUNT=1000\n');
  const { server } = await start({ WORKERS: '2' }, folder);
  const [first] = childrenOf(server.pid);
  await writeFile(join(folder, '.env'), 'RATE_LIMIT_PER_ACCOUNT=1000\nMAX_CONNECTIONS=none\n');
  await database.sql(`DELETE FROM accounts WHERE username = 'admin'`);
  process.kill(first!, 'SIGKILL');
  await waitUntil(() => linesOf(server, 'a replaced worker serves').length === 1);
  expect(replacementsOf(server)).toBe(1);
  expect(await database.sql(`SELECT username FROM accounts WHERE username = 'admin'`)).toStrictEqual([]);
});

test('a share of the pool below 5 connections a worker is a warning', async () => {
  const { server } = await start({ WORKERS: '2', DATABASE_POOL_SIZE: '8' });
  const warning = /DATABASE_POOL_SIZE=8 gives each of 2 WORKERS 4 of at least 5 connections.*to 10 or more/;
  expect(server.stderr()).toMatch(warning);
});

test('with several workers, a first start creates one database and one admin key; a stop ends PostgreSQL too', async () => {
  const server = startServer({ WORKERS: '2', DATA_DIR: join(dataDir, 'data') });
  running = server;
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
