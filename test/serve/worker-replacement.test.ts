import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:https';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, jest, test } from '@jest/globals';
import type { ServerProcess } from '../support/server-process.ts';
import { plainGroup } from '../support/test-app.ts';
import { createTestFolder } from '../support/test-folder.ts';
import { waitUntil } from '../support/wait-until.ts';
import { childrenOf, isRunning, linesOf, pidsOf, post, useServersWithWorkers } from '../support/workers.ts';

// Workers that end and are replaced, and what reaches each of them. Their starts take long on a busy machine.
jest.setTimeout(300_000);

const { database, start } = useServersWithWorkers();

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
      get(`${url}/livez`, { agent: new Agent({ keepAlive: false, rejectUnauthorized: false }) })
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
