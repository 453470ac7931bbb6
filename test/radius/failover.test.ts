import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createAccountingDatabase, openNas, openSession } from '../support/nas.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { testKey } from '../support/test-app.ts';
import type { TestDatabase } from '../support/test-database.ts';
import { waitUntil } from '../support/wait-until.ts';

const nas = await openNas();
let database: TestDatabase;
const servers: ServerProcess[] = [];
beforeAll(async () => {
  database = await createAccountingDatabase([nas]);
});
afterAll(async () => {
  for (const server of servers) server.kill('SIGKILL');
  await Promise.all(servers.map(({ exited }) => exited));
  await database.drop();
  await nas.close();
}, 120_000);

const start = async (settings: Record<string, string> = {}) => {
  const server = startServer({
    DATABASE_URL: `${database.url}${database.url.includes('?') ? '&' : '?'}connect_timeout=60`,
    ADMIN_API_KEY: testKey,
    LOG_LEVEL: 'error',
    RADIUS: 'true',
    RADIUS_COA_PORT: String(nas.port),
    RADIUS_TIMEOUT_MS: '1000',
    MAX_EVENT_LOOP_DELAY_MS: '60000',
    ...settings,
  });
  servers.push(server);
  return { server, url: (await server.ready).url };
};
const post = async (url: string, path: string, body: object) => {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'X-APIKEY': testKey, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as { data: { createGroup: { id: number } } };
};
/** Removes subscribers with open sessions: each is one request. */
const removeSubscribers = async (url: string, names: readonly string[]) => {
  const { data } = await post(url, '/createGroup', {
    group: { name: 'Plan', tagName: 'plan', duration: 30, price: '1.00' },
  });
  const groupId = data.createGroup.id;
  for (const username of names) {
    await post(url, '/subscribe', { username, groupId });
    await openSession(database, username);
    await post(url, '/removeUserSubscription', { username });
  }
};
const readSender = async () => {
  const [row] = await database.sql<{ sender: string | null }>('SELECT sender FROM radius_feed');
  return row?.sender;
};
const unfinished = () => database.sql(`SELECT FROM radius_deliveries WHERE status = 'pending'`);
const users = () => nas.requests.map(({ attributes }) => attributes['User-Name']!).toSorted();

test('of two servers, with two processes each, one sends each request, once; the changes are those of both', async () => {
  const [first, second] = [await start({ WORKERS: '2' }), await start({ WORKERS: '2' })];
  const names = Array.from({ length: 10 }, (_, index) => `user ${index}`);
  await Promise.all([
    removeSubscribers(first.url, names),
    removeSubscribers(
      second.url,
      names.map((name) => `other ${name}`),
    ),
  ]);
  await waitUntil(() => nas.requests.length >= 20);
  await waitUntil(async () => (await unfinished()).length === 0);
  expect(users()).toStrictEqual([...names, ...names.map((name) => `other ${name}`)].toSorted());
  for (const { server } of [first, second]) server.kill('SIGTERM');
  await Promise.all([first.server.exited, second.server.exited]);
  expect(await readSender()).toBeNull();
}, 300_000);

test('when the sending server is killed, another one sends what has no response; a response of an unknown session is the end', async () => {
  nas.requests.length = 0;
  const acknowledgeAll = nas.respond;
  nas.respond = () => [];
  const first = await start();
  await waitUntil(async () => (await readSender()) != null);
  const sender = await readSender();
  const second = await start();
  await removeSubscribers(second.url, ['ali', 'sara']);
  await waitUntil(() => new Set(users()).size === 2);
  expect(await readSender()).toBe(sender);
  first.server.kill('SIGKILL');
  await first.server.exited;
  nas.respond = acknowledgeAll;
  await waitUntil(async () => (await unfinished()).length === 0);
  expect(await readSender()).not.toBe(sender);
  expect(await database.sql(`SELECT DISTINCT status, response FROM radius_deliveries`)).toStrictEqual([
    { status: 'delivered', response: 'ack' },
  ]);
}, 300_000);

test('a server that stops gives its requests without response to another one at once', async () => {
  nas.requests.length = 0;
  const acknowledgeAll = nas.respond;
  nas.respond = () => [];
  const second = servers.at(-1)!;
  const { url } = await second.ready;
  await waitUntil(async () => (await readSender()) != null);
  await removeSubscribers(url, ['reza']);
  await waitUntil(() => nas.requests.length > 0);
  const third = await start();
  second.kill('SIGTERM');
  expect(await second.exited).toMatchObject({ code: 0 });
  nas.respond = acknowledgeAll;
  await waitUntil(async () => (await unfinished()).length === 0);
  third.server.kill('SIGTERM');
  expect(await third.server.exited).toMatchObject({ code: 0 });
}, 300_000);
