import { afterAll, expect, test } from '@jest/globals';
import { openSecondConnection, type SecondConnection } from '../support/second-connection.ts';
import { subscribe, type Subscription } from '../support/subscription.ts';
import { testKey, useTestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

const query = 'subscription ($after: ID) { groupEvents(after: $after) { id type data } }';
const opened: Subscription[] = [];
afterAll(() => {
  for (const subscription of opened) subscription.close();
});
const app = useTestApp({ MAX_SUBSCRIPTIONS: 1 });

/** Opens a subscription as soon as the server has seen the end of the one before. */
const open = async (variables: object = {}): Promise<Subscription> => {
  await waitUntil(async () => {
    opened.push(await subscribe(app.httpUrl, query, { variables }));
    return opened.at(-1)!.status !== 503;
  });
  return opened.at(-1)!;
};

/** Locks the audit log, so that the server cannot read it until the connection is closed. */
async function lockAuditLog(): Promise<SecondConnection> {
  const connection = await openSecondConnection(app);
  await connection.query('BEGIN');
  await connection.query('LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE');
  return connection;
}

test('the response begins only when no later event can be missed', async () => {
  const locking = await lockAuditLog();
  let isOpen = false;
  const opening = open().finally(() => (isOpen = true));
  await locking.waitForBlocked();
  const isOpenBefore = isOpen;
  await locking.close();
  const subscription = await opening;
  expect([subscription.status, isOpenBefore]).toStrictEqual([200, false]);
  const id = await app.createGroup();
  const [event] = await subscription.receive(1);
  expect([event.type, event.data.group.id]).toStrictEqual(['group.created', id]);
  subscription.close();
});

test('a client that leaves before the response begins occupies none of MAX_SUBSCRIPTIONS', async () => {
  const first = await open();
  await app.createGroup();
  const [event] = await first.receive(1);
  first.close();
  const locking = await lockAuditLog();
  const controller = new AbortController();
  const leaving = fetch(`${app.httpUrl}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream', 'X-APIKEY': testKey },
    body: JSON.stringify({ query, variables: { after: event.id } }),
    signal: controller.signal,
  }).catch((error: Error) => error.name);
  await locking.waitForBlocked();
  controller.abort();
  expect(await leaving).toBe('AbortError');
  // After a request over another connection, the server has seen the end of this one.
  await app.send('/livez');
  await locking.close();
  const next = await open();
  expect(next.status).toBe(200);
  next.close();
});

test('a client that continues after an event receives all later ones once, also those of more than ten pages', async () => {
  const first = await open();
  await app.createGroup();
  const [event] = await first.receive(1);
  first.close();
  await app.sql(
    `INSERT INTO audit_events (account, credential, address, request_id, operation, target_ids, outcome, after)
     SELECT 'many', 'api-key', '127.0.0.1', 'r', 'createGroup', ARRAY[n::text], 'done', jsonb_build_object('id', n)
     FROM generate_series(1, 2500) n`,
  );
  const subscription = await open({ after: event.id });
  const id = await app.createGroup();
  const events = await subscription.receive(2501);
  const expectedIds = [...Array.from({ length: 2500 }, (_, index) => index + 1), id];
  expect(events.map(({ data }) => data.group.id)).toStrictEqual(expectedIds);
  subscription.close();
});

test('a subscription ends with NOT_FOUND if the database has lost its last transactions; a new one starts', async () => {
  const subscription = await open();
  await app.createGroup();
  const [event] = await subscription.receive(1);
  const [auditId] = event.id.split('-');
  // As after a failover to a standby that lags.
  await app.sql(`BEGIN; SET LOCAL session_replication_role = replica;
    UPDATE audit_events SET at = at + interval '1 second' WHERE id = ${auditId}; COMMIT`);
  await subscription.waitForEnd();
  expect(subscription.results.slice(1)).toMatchObject([
    {
      errors: [
        {
          message: expect.stringContaining('The database has lost its last transactions'),
          extensions: { code: 'NOT_FOUND' },
        },
      ],
    },
  ]);
  expect(subscription.isComplete()).toBe(true);
  const next = await open();
  const id = await app.createGroup();
  expect((await next.receive(1)).map(({ data }) => data.group.id)).toStrictEqual([id]);
  next.close();
});
