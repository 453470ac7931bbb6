import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openCountingProxy, type CountingProxy } from '../support/counting-proxy.ts';
import { createProbes, past } from '../support/probes.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { openTestApp, plainGroup, type TestApp } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';

let database: TestDatabase;
let proxy: CountingProxy;
let app: TestApp;
beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await openCountingProxy(database.url);
  app = await openTestApp({ DATABASE_URL: proxy.url }, database);
});
afterAll(async () => {
  await app.close();
  await proxy.close();
});

const { auditOf, nextRequestId, subscribe, subscribersOf } = createProbes(() => app);
const calls = 20;
/** The short form returns the service group of a group. */
const hasNestedFields = ['createGroup', 'editGroup'];

const createServiceGroup = async () =>
  (await app.post('/createServiceGroup', { serviceGroup: { name: 'S' } })).body.data.createServiceGroup.id;

/** Each mutation: prepares its calls, and returns the arguments of the n-th. */
const operations: Readonly<Record<string, () => Promise<(n: number) => object>>> = {
  createGroup: async () => () => ({ group: plainGroup }),
  editGroup: async () => {
    const id = await app.createGroup();
    return (n) => ({ id, group: { name: `n${n}` } });
  },
  subscribe: async () => {
    const groupId = await app.createGroup();
    return (n) => ({ groupId, username: `u${n}` });
  },
  removeUserSubscription: async () => {
    const groupId = await app.createGroup();
    for (let n = 0; n < calls; n++) await subscribe(groupId, `u${n}`);
    return (n) => ({ groupId, username: `u${n}` });
  },
  createServiceGroup: async () => () => ({ serviceGroup: { name: 'S' } }),
  editServiceGroup: async () => {
    const id = await createServiceGroup();
    return (n) => ({ id, serviceGroup: { name: `n${n}` } });
  },
  deleteServiceGroup: async () => {
    const ids: number[] = [];
    for (let n = 0; n < calls; n++) ids.push(await createServiceGroup());
    return (n) => ({ id: ids[n] });
  },
};

test.each(Object.keys(operations))(
  '%s is one statement between BEGIN and COMMIT, with its audit event; another one reads nested fields',
  async (name) => {
    const argumentsOf = await operations[name]!();
    const counts: number[] = [];
    for (let n = 0; n < calls; n++) {
      const requestId = nextRequestId();
      const before = proxy.count();
      const { status } = await app.post(`/${name}`, argumentsOf(n), { 'X-Request-Id': requestId });
      counts.push(proxy.count() - before);
      expect(status).toBe(200);
      // On a connection that the proxy does not count.
      expect(await auditOf(requestId)).toMatchObject([{ operation: name, outcome: 'done' }]);
    }
    // Some calls have others in addition: the account once a second, the watchdog, a new connection, jobs.
    expect(Math.min(...counts)).toBe(hasNestedFields.includes(name) ? 4 : 3);
  },
);

test('concurrent edits of a group are applied one after the other; each event has the row that the last edit has written', async () => {
  const id = await app.createGroup();
  const requestId = nextRequestId();
  const edits = Array.from({ length: 8 }, (_, n) =>
    app.post('/editGroup', { id, group: { duration: n } }, { 'X-Request-Id': requestId }),
  );
  for (const { status } of await Promise.all(edits)) expect(status).toBe(200);
  const events = (await auditOf(requestId)) as { before: { version: number }; after: { version: number } }[];
  events.sort((a, b) => a.after.version - b.after.version);
  expect(events.map(({ after }) => after.version)).toStrictEqual([2, 3, 4, 5, 6, 7, 8, 9]);
  for (const [index, { before }] of events.entries())
    if (index > 0) expect(before).toStrictEqual(events[index - 1]!.after);
});

test('of concurrent subscriptions of a username whose last one has ended, one succeeds; the ended one is in the history once', async () => {
  const groupId = await app.createGroup();
  await subscribe(groupId, 'ali', { startsAt: past, expiresAt: '2021-01-01T00:00:00Z' });
  const responses = await Promise.all(Array.from({ length: 6 }, () => subscribe(groupId, 'ali')));
  expect(responses.map(({ status }) => status).toSorted((a, b) => a - b)).toStrictEqual([
    200, 409, 409, 409, 409, 409,
  ]);
  expect(await subscribersOf(groupId)).toMatchObject([{ username: 'ali', expires_at: null }]);
  expect(
    await app.sql('SELECT username, starts_at FROM subscriber_history WHERE group_id = $1', [groupId]),
  ).toStrictEqual([{ username: 'ali', starts_at: new Date(past) }]);
});

test('a subscription that is moved to another group meanwhile is removed from that group', async () => {
  const [from, to] = [await app.createGroup(), await app.createGroup()];
  await subscribe(from, 'moving');
  const mover = await openSecondConnection(database);
  await mover.query('BEGIN');
  await mover.query(`UPDATE subscribers SET group_id = $1 WHERE username = 'moving'`, [to]);
  const requestId = nextRequestId();
  const removed = app.post('/removeUserSubscription', { username: 'moving' }, { 'X-Request-Id': requestId });
  await mover.waitForBlocked();
  await mover.query('COMMIT');
  await mover.close();
  expect((await removed).status).toBe(200);
  expect([...(await subscribersOf(from)), ...(await subscribersOf(to))]).toStrictEqual([]);
  expect(await auditOf(requestId)).toMatchObject([
    { outcome: 'done', target_ids: [String(to)], before: { group_id: to, username: 'moving' }, after: null },
  ]);
});
