import { afterAll, describe, expect, test } from '@jest/globals';
import { createTestAccount } from '../support/test-accounts.ts';
import { subscribe, type Subscription } from '../support/subscription.ts';
import { openTestApp, useTestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

const all = 'subscription { groupEvents { id type timestamp data } }';
const opened: Subscription[] = [];
afterAll(() => {
  for (const subscription of opened) subscription.close();
});
let accountCount = 0;
/** Creates an account with these scopes, and returns its key. */
const createAccount = async (scopes: readonly string[], username = `account-${++accountCount}`) =>
  (await createTestAccount(app, { username, scopes })).apiKey!;
const app = useTestApp({ MAX_CONCURRENT_REQUESTS: 2, MAX_SUBSCRIPTIONS: 12 });

const open = async (query = all, options: Parameters<typeof subscribe>[2] = {}): Promise<Subscription> => {
  const subscription = await subscribe(app.httpUrl, query, options);
  opened.push(subscription);
  return subscription;
};

test('a subscription receives executed changes as they are committed, with the envelope of a webhook', async () => {
  const subscription = await open();
  expect(subscription.status).toBe(200);
  expect(Object.fromEntries(subscription.headers)).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    'x-request-id': expect.any(String),
  });
  const id = await app.createGroup({ name: 'Live' });
  await app.post('/deleteGroup', { id, dryRun: true });
  await app.post('/deleteGroup', { id, reason: 'over' }, { 'X-Request-Id': 'the-request' });
  const [created, deleted] = await subscription.receive(2);
  expect(created).toMatchObject({
    type: 'group.created',
    data: { group: { id, name: 'Live', price: '9.90' } },
  });
  expect(deleted).toStrictEqual({
    id: deleted.id,
    type: 'group.deleted',
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    data: {
      id: deleted.id,
      account: 'admin',
      requestId: 'the-request',
      group: expect.objectContaining({ id }),
      reason: 'over',
      subscribersMoved: 0,
      movedTo: null,
    },
  });
  subscription.close();
});

test('a client continues after the last event that it received, also in the middle of a deleteGroups', async () => {
  const first = await open();
  const ids = [await app.createGroup(), await app.createGroup(), await app.createGroup()];
  await app.post('/deleteGroups', { ids });
  const events = await first.receive(6);
  first.close();
  const after = events[4].id;
  const later = await app.createGroup();
  const second = await open(`subscription ($after: ID) { groupEvents(after: $after) { id type data } }`, {
    variables: { after },
  });
  const rest = await second.receive(2);
  expect(rest.map(({ id, type, data }) => [id, type, data.group.id])).toStrictEqual([
    [events[5].id, 'group.deleted', ids[2]],
    [rest[1].id, 'group.created', later],
  ]);
  second.close();
});

test('another server continues the stream of the first one, and receives what the first one commits', async () => {
  const first = await open();
  const id = await app.createGroup();
  const [event] = await first.receive(1);
  first.close();
  await app.post('/deleteGroup', { id });
  const other = await openTestApp({}, { ...app, drop: async () => undefined });
  try {
    const query = `subscription { groupEvents(after: "${event.id}") { type data } }`;
    const second = await subscribe(other.httpUrl, query);
    opened.push(second);
    const target = await app.createGroup();
    expect((await second.receive(2)).map(({ type, data }) => [type, data.group.id])).toStrictEqual([
      ['group.deleted', id],
      ['group.created', target],
    ]);
  } finally {
    await other.close();
  }
  // The server that closes ends its subscriptions.
  await opened.at(-1)!.waitForEnd();
  expect(opened.at(-1)!.isComplete()).toBe(true);
});

test('types and groupIds select events; aliases, fragments and __typename work', async () => {
  const other = await app.createGroup();
  const id = await app.createGroup();
  const subscription = await open(`
    subscription { groupEvents(types: [GROUP_EDITED, GROUP_DELETED], groupIds: [${id}]) { ...parts kind: type } }
    fragment parts on Event { __typename type @skip(if: true) data }`);
  for (const groupId of [other, id]) await app.post('/editGroup', { id: groupId, group: { price: '1' } });
  await app.post('/subscribe', { username: 'ali', groupId: id });
  await app.post('/deleteGroup', { id, moveSubscribersTo: other });
  const events = await subscription.receive(2);
  expect(events).toStrictEqual([
    {
      __typename: 'Event',
      kind: 'group.edited',
      data: expect.objectContaining({ group: expect.any(Object) }),
    },
    {
      __typename: 'Event',
      kind: 'group.deleted',
      data: expect.objectContaining({ subscribersMoved: 1, movedTo: other }),
    },
  ]);
  subscription.close();
});

test('events of subscribers need subscribers:read: omitted if all types are asked for, rejected by name otherwise', async () => {
  const reader = await createAccount(['groups:read']);
  const restricted = await open(all, { key: reader });
  const full = await open();
  const id = await app.createGroup();
  await app.post('/subscribe', { username: 'mina', groupId: id });
  await app.post('/removeUserSubscription', { username: 'mina' });
  await app.post('/deleteGroup', { id });
  expect((await full.receive(4)).map(({ type }) => type)).toStrictEqual([
    'group.created',
    'subscriber.added',
    'subscriber.removed',
    'group.deleted',
  ]);
  expect((await restricted.receive(2)).map(({ type }) => type)).toStrictEqual([
    'group.created',
    'group.deleted',
  ]);
  restricted.close();
  full.close();

  const named = await open('subscription { groupEvents(types: [SUBSCRIBER_ADDED]) { id } }', { key: reader });
  await named.waitForEnd();
  expect(named.results).toMatchObject([
    { errors: [{ extensions: { code: 'FORBIDDEN', requiredScope: 'subscribers:read', argument: 'types' } }] },
  ]);
  const writer = await createAccount(['groups:write']);
  const rejected = await open(all, { key: writer });
  await rejected.waitForEnd();
  expect(rejected.results).toMatchObject([
    { errors: [{ extensions: { code: 'FORBIDDEN', requiredScope: 'groups:read' } }] },
  ]);
});

test.each([
  ['a syntax error', 'subscription { groupEvents { id }', 'GRAPHQL_PARSE_FAILED'],
  ['an unknown field', 'subscription { groupEvents { name } }', 'GRAPHQL_VALIDATION_FAILED'],
  [
    'two root fields',
    'subscription { groupEvents { id } other: groupEvents { id } }',
    'GRAPHQL_VALIDATION_FAILED',
  ],
  [
    'an unknown type',
    'subscription { groupEvents(types: [GROUP_LOST]) { id } }',
    'GRAPHQL_VALIDATION_FAILED',
  ],
  ['no types', 'subscription { groupEvents(types: []) { id } }', 'BAD_USER_INPUT'],
  ['an invalid group id', 'subscription { groupEvents(groupIds: [0]) { id } }', 'BAD_USER_INPUT'],
  ['a malformed id', 'subscription { groupEvents(after: "x") { id } }', 'BAD_USER_INPUT'],
  ['an unknown id', 'subscription { groupEvents(after: "1-0-1") { id } }', 'NOT_FOUND'],
  [
    'a wrong variable',
    'subscription ($ids: [Int!]) { groupEvents(groupIds: $ids) { id } }',
    'BAD_USER_INPUT',
    { ids: ['x'] },
  ],
  [
    'too many aliases',
    `subscription { groupEvents { ${Array.from({ length: 40 }, (_, i) => `a${i}: id`).join(' ')} } }`,
    'QUERY_TOO_COMPLEX',
  ],
] as const)(
  '%s is one result with the error, and complete',
  async (_what, query, code, variables: object = {}) => {
    const subscription = await open(query, { variables });
    await subscription.waitForEnd();
    expect(subscription.results).toMatchObject([{ errors: [{ extensions: { code } }] }]);
    expect(subscription.isComplete()).toBe(true);
  },
);

describe('rejected requests', () => {
  test('a GET, the short form and an Accept without a stream are rejected, and say what to send', async () => {
    const get = await app.send(`/graphql?query=${encodeURIComponent(all)}`);
    expect([get.status, get.body.errors[0].message]).toStrictEqual([405, 'Use POST, not GET']);
    const short = await app.post('/groupEvents', {});
    expect([short.status, short.body.errors[0].message]).toStrictEqual([
      400,
      'Send the subscription groupEvents to POST /graphql: it has no endpoint',
    ]);
    const other = await app.post('/deleteGroup', { query: all });
    expect(other.body.errors[0].message).toContain('use /graphql for any other');
    const json = await app.post('/graphql', { query: all }, { Accept: 'application/json' });
    expect([json.status, json.body.errors[0].message]).toStrictEqual([
      406,
      expect.stringContaining('text/event-stream'),
    ]);
  });

  test('without credentials: 401; above MAX_SUBSCRIPTIONS: 503; requests are served while all are open', async () => {
    expect((await open(all, { key: 'wrong' })).status).toBe(401);
    const streams: Subscription[] = [];
    // One after the other: open requests count among MAX_CONCURRENT_REQUESTS, open streams do not.
    await waitUntil(async () => {
      const stream = await open();
      if (stream.status === 200) streams.push(stream);
      else await stream.waitForEnd();
      return stream.status === 503 && stream.rest().includes('(MAX_SUBSCRIPTIONS)');
    });
    expect(JSON.parse(opened.at(-1)!.rest()).errors).toMatchObject([
      {
        message:
          'The server has 12 subscriptions, and its operator allows no more (MAX_SUBSCRIPTIONS). Try again later',
        extensions: { code: 'SERVICE_UNAVAILABLE' },
      },
    ]);
    expect(streams.length).toBeGreaterThan(0);
    expect(streams.length).toBeLessThanOrEqual(12);
    expect(await app.createGroup()).toBeGreaterThan(0);
    for (const stream of streams) stream.close();
    await waitUntil(async () => {
      const again = await open();
      again.close();
      return again.status === 200;
    });
  });
});

test('a disabled account loses its streams, with the reason, and receives nothing further; others keep theirs', async () => {
  const key = await createAccount(['groups:read'], 'leaving');
  const leaving = await open(all, { key });
  const staying = await open();
  await app.sql(`UPDATE accounts SET disabled = true WHERE username = 'leaving'`);
  await leaving.waitForEnd();
  expect(leaving.results).toMatchObject([
    { errors: [{ message: 'The account is disabled', extensions: { code: 'UNAUTHENTICATED' } }] },
  ]);
  expect(leaving.isComplete()).toBe(true);
  await app.createGroup();
  expect(await staying.receive(1)).toHaveLength(1);
  staying.close();
});
