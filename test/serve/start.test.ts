import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sendIncompleteRequest } from '../support/incomplete-request.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { useServers } from '../support/servers.ts';
import { testKey, type Json } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { useTestFolder } from '../support/test-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const dir = useTestFolder();

const start = useServers();

const stop = async (server: ServerProcess, signal: NodeJS.Signals = 'SIGTERM') => {
  server.kill(signal);
  const { code } = await server.exited;
  expect(code).toBe(0);
};

const post = async (url: string, key: string, path: string, body: object) => {
  const headers = { 'Content-Type': 'application/json', 'X-APIKEY': key };
  const response = await fetch(`${url}/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as Json };
};

/** Runs the `curl` line that the server printed, as a shell does. */
const paste = async (text: string, environment = {}) => {
  const [line] = /curl .*/.exec(text)!;
  const { stdout } = await promisify(execFile)('sh', ['-c', line], {
    env: { ...process.env, ...environment },
  });
  return JSON.parse(stdout);
};

describe('the embedded PostgreSQL', () => {
  test('the first start creates the data folder, and its curl deletes a sample group; later starts keep the data', async () => {
    const settings = { DATA_DIR: join(dir, 'first') };
    const first = start(settings);
    const { text, url, key } = await first.ready;
    expect(text).toContain(`Explorer   ${url}/`);
    expect(text).toContain(`embedded PostgreSQL in ${settings.DATA_DIR}`);
    expect((await paste(text)).data.deleteGroup).toMatchObject({ id: 1, name: 'Trial' });
    const { data } = (await post(url, key!, 'allGroups', {})).body;
    expect(data.allGroups).toHaveLength(4);
    await stop(first);

    const second = start(settings);
    const again = await second.ready;
    expect(again.key).toBeUndefined();
    expect((await post(again.url, key!, 'allGroups', {})).body.data).toStrictEqual(data);
    // Later starts do not know the key, so that the line reads it from the environment.
    expect((await paste(again.text, { ADMIN_API_KEY: key })).data.deleteGroup).toMatchObject({ id: 2 });
    await stop(second, 'SIGINT');
  });

  test('the new key is printed by the first start that succeeds, even after a failed start', async () => {
    const settings = { DATA_DIR: join(dir, 'key') };
    const busy = createServer();
    await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve));
    const failed = start({ ...settings, PORT: String((busy.address() as AddressInfo).port) });
    expect((await failed.exited).code).toBe(1);
    busy.close();

    const next = start(settings);
    const { url, key } = await next.ready;
    expect((await post(url, key!, 'allGroups', {})).status).toBe(200);
    await stop(next);
  });

  test('the first start works in a folder that contains the copied binaries of a root installation', async () => {
    const dataDir = join(dir, 'copied');
    await mkdir(join(dataDir, 'postgresql-18.0.0'), { recursive: true });
    const server = start({ DATA_DIR: dataDir });
    expect((await server.ready).text).toContain(`embedded PostgreSQL in ${dataDir}`);
    await stop(server);
  });

  test('a later start does not recreate deleted sample groups', async () => {
    const settings = { DATA_DIR: join(dir, 'emptied'), ADMIN_API_KEY: testKey };
    const first = start(settings);
    const { url } = await first.ready;
    for (const id of [1, 2, 3, 4, 5])
      expect((await post(url, testKey, 'deleteGroup', { id })).status).toBe(200);
    await stop(first);

    const second = start(settings);
    const again = await second.ready;
    expect((await post(again.url, testKey, 'allGroups', {})).body.data.allGroups).toStrictEqual([]);
    expect(again.text).toContain('searchGroups');
    await stop(second);
  });

  test('the PostgreSQL of a killed server is reused, and stopped at the end', async () => {
    const settings = { DATA_DIR: join(dir, 'killed'), ADMIN_API_KEY: testKey };
    const killed = start(settings);
    const { url } = await killed.ready;
    const { body } = await post(url, testKey, 'deleteGroup', { id: 3 });
    killed.kill('SIGKILL');
    await killed.exited;

    const next = start(settings);
    const again = await next.ready;
    expect(body.data.deleteGroup.id).toBe(3);
    expect((await post(again.url, testKey, 'deleteGroup', { id: 3 })).status).toBe(404);
    expect((await post(again.url, testKey, 'deleteGroup', { id: 4 })).status).toBe(200);
    await stop(next);
    const { stdout } = await promisify(execFile)('ps', ['-eo', 'args']);
    expect(stdout).not.toContain(settings.DATA_DIR);
  });

  test('two servers that start concurrently share a PostgreSQL, and one continues when the other stops', async () => {
    const settings = { DATA_DIR: join(dir, 'shared') };
    const servers = [start(settings), start(settings)];
    const [one, other] = await Promise.all(servers.map(({ ready }) => ready));
    const keys = [one!.key, other!.key].filter((key) => key !== undefined);
    expect(keys).toHaveLength(1);

    await stop(servers[0]!);
    expect((await post(other!.url, keys[0]!, 'allGroups', {})).body.data.allGroups).toHaveLength(5);
    await stop(servers[1]!);
  });
});

describe('DATABASE_URL', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase({ isEmpty: true });
  });
  afterAll(() => database.drop());

  test('DATABASE_URL is migrated once by two servers that start concurrently, and gets no sample groups', async () => {
    const settings = { DATABASE_URL: database.url };
    const servers = [start(settings), start(settings)];
    const [one, other] = await Promise.all(servers.map(({ ready }) => ready));
    expect(one!.text).toMatch(/Database +PostgreSQL at /);
    const keys = [one!.key, other!.key].filter((key) => key !== undefined);
    expect(keys).toHaveLength(1);
    for (const { url } of [one!, other!]) {
      expect((await post(url, keys[0]!, 'allGroups', {})).body).toStrictEqual({ data: { allGroups: [] } });
    }
    const rows = await database.sql(
      'SELECT migration_name, count(*)::int FROM _prisma_migrations GROUP BY 1',
    );
    for (const row of rows) expect(row['count']).toBe(1);
    await Promise.all(servers.map((server) => stop(server)));
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    'on %s the server completes a request in flight, and rejects new ones',
    async (signal) => {
      const server = start({ DATABASE_URL: database.url, ADMIN_API_KEY: testKey });
      const { url } = await server.ready;
      const group = { name: 'n', tagName: 't', duration: 1, price: '1' };
      const { id } = (await post(url, testKey, 'createGroup', { group })).body.data.createGroup;

      // Locks the row, so that the delete is still waiting when the signal comes.
      const locker = await openSecondConnection(database);
      await locker.lockGroup(id);
      const inFlight = post(url, testKey, 'deleteGroup', { id });
      await locker.waitForBlocked();
      server.kill(signal);
      // npm and a terminal may send the signal twice.
      server.kill(signal);
      await waitUntil(async () =>
        fetch(`${url}/livez`).then(
          () => false,
          () => true,
        ),
      );
      await locker.close();

      expect((await inFlight).body.data.deleteGroup).toMatchObject({ id });
      expect((await server.exited).code).toBe(0);
    },
  );
});

test('a client that has sent half a request does not prevent shutdown', async () => {
  const server = start({ DATA_DIR: join(dir, 'stalled'), ADMIN_API_KEY: testKey });
  const { url } = await server.ready;
  const half = connect(Number(new URL(url).port), '127.0.0.1', () => half.write('POST / HTTP/1.1\r\nHos'));
  half.on('error', () => undefined);
  await once(half, 'connect');
  const sockets = [half, await sendIncompleteRequest(url, '/deleteGroup')];
  const begin = Date.now();
  await stop(server);
  expect(Date.now() - begin).toBeLessThan(10_000);
  for (const socket of sockets) socket.destroy();
});

test('a large response that is being read is completed before shutdown', async () => {
  const database = await createTestDatabase();
  const server = start({ DATABASE_URL: database.url, ADMIN_API_KEY: testKey });
  const { url } = await server.ready;
  await database.sql(
    `INSERT INTO groups (name, description, tag_name, duration, price) SELECT 'g', repeat('d', 2000), 't', 1, 1 FROM generate_series(1, 9000)`,
  );
  const headers = { 'Content-Type': 'application/json', 'X-APIKEY': testKey };
  const response = await fetch(`${url}/allGroups`, { method: 'POST', headers, body: '{}' });
  server.kill('SIGTERM');
  await waitUntil(() =>
    fetch(`${url}/livez`).then(
      ({ ok }) => !ok,
      () => true,
    ),
  );
  const { data } = (await response.json()) as Json;
  expect(data.allGroups).toHaveLength(9000);
  expect((await server.exited).code).toBe(0);
  await database.drop();
});
