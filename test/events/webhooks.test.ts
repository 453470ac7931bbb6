import { expect, test } from '@jest/globals';
import { waitUntil } from '../support/wait-until.ts';
import { openReceiver, verify } from '../support/webhook-receiver.ts';
import { useWebhooks } from '../support/webhooks.ts';

// What is delivered when, and what follows from the response. webhook-commands.test.ts has the commands.

const { app, receiver, run, runJson, create, list, deliveries, receives, isQuiet } = useWebhooks();

/** Makes all retries due, also those whose attempt is running now, until a condition is true. */
const retryUntil = (condition: () => boolean) =>
  waitUntil(async () => {
    await app.sql(
      `UPDATE webhook_deliveries SET next_attempt_at = now() WHERE status = 'pending' AND NOT is_claimed`,
    );
    return condition();
  });
const types = () => receiver.received.map(({ event }) => event.type);

test('a webhook receives each change once, in the order of the changes of a group, with a signature that the library of Standard Webhooks verifies', async () => {
  const { id, secret, ...webhook } = await create('--description', 'the panel');
  expect(webhook).toMatchObject({ url: receiver.url, types: [], description: 'the panel', state: 'enabled' });
  const groupId = await app.createGroup({ name: 'Gold' });
  await app.post('/editGroup', { id: groupId, group: { price: '12.5' } });
  const { body } = await app.post(
    '/deleteGroup',
    { id: groupId, reason: 'replaced' },
    { 'X-Request-Id': 'req-7' },
  );
  expect(body.errors).toBeUndefined();
  await receives(3);
  expect(types()).toStrictEqual(['group.created', 'group.edited', 'group.deleted']);

  for (const request of receiver.received) {
    const { headers, event, method, path } = request;
    expect([method, path, headers['content-type']]).toStrictEqual(['POST', '/hooks', 'application/json']);
    expect(headers['webhook-signature']).toMatch(/^v1,[A-Za-z0-9+/]{43}=$/);
    expect(headers['webhook-id']).toBe(event.data.id);
    expect(Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(300);
    expect(verify(secret, request)).toStrictEqual(event);
    expect(() => verify(secret, { ...request, text: `${request.text} ` })).toThrow('No matching signature');
  }
  const [, edited, deleted] = receiver.received;
  expect(edited!.event.data.group).toMatchObject({ id: groupId, price: '12.50' });
  expect(deleted!.event).toStrictEqual({
    type: 'group.deleted',
    timestamp: expect.stringMatching(/Z$/),
    data: {
      id: expect.any(String),
      account: 'admin',
      requestId: 'req-7',
      reason: 'replaced',
      subscribersMoved: 0,
      movedTo: null,
      group: expect.objectContaining({ id: groupId, name: 'Gold' }),
    },
  });
  await isQuiet();
  expect(receiver.received).toHaveLength(3);
  expect(await deliveries('--webhook', String(id))).toMatchObject([
    {
      eventType: 'group.deleted',
      status: 'delivered',
      attempts: 1,
      responseStatus: 204,
      lastError: null,
      nextAttemptAt: null,
    },
    { eventType: 'group.edited', status: 'delivered' },
    { eventType: 'group.created', status: 'delivered' },
  ]);
});

test('--type restricts a webhook to the events of these types; rejected calls, dry runs and repeated calls are no events', async () => {
  await create('--type', 'group.deleted');
  const [one, two] = [await app.createGroup(), await app.createGroup()];
  await app.post('/deleteGroup', { id: one, dryRun: true });
  await app.post('/deleteGroup', { id: 2_000_000_000 });
  for (let call = 0; call < 2; call++)
    await app.post('/deleteGroup', { id: one }, { 'Idempotency-Key': `key ${one}` });
  await app.post('/deleteGroups', { ids: [two] });
  await receives(2);
  await isQuiet();
  expect(types()).toStrictEqual(['group.deleted', 'group.deleted']);
  // Events of different groups arrive in any order.
  expect(new Set(receiver.received.map(({ event }) => event.data.group.id))).toStrictEqual(
    new Set([one, two]),
  );
});

test('one deleteGroups is one event a group; the events of a command are delivered too', async () => {
  await create('--type', 'group.deleted');
  const ids = [await app.createGroup(), await app.createGroup(), await app.createGroup()];
  await app.post('/deleteGroups', { ids: ids.slice(0, 2) });
  await run('groups', 'delete', String(ids[2]), '--yes');
  await receives(3);
  expect(new Set(receiver.received.map(({ event }) => event.data.group.id))).toStrictEqual(new Set(ids));
  expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(3);
});

test.each([
  [
    'a redirect, which is not followed',
    { status: 302, headers: { Location: '/elsewhere' } },
    'HTTP 302: redirects are not followed',
  ],
  ['500', { status: 500, body: 'no' }, 'HTTP 500'],
  ['a closed connection', 'reset', 'socket hang up (ECONNRESET)'],
] as const)('%s is a failed attempt, which is repeated with the same id', async (_, reply, error) => {
  await create();
  receiver.reply = () => reply;
  await app.createGroup();
  await receives(1);
  await isQuiet();
  const [failed] = await deliveries('--failed');
  expect(failed).toMatchObject({ status: 'pending', lastError: error });
  const delayMs = Date.parse(failed.nextAttemptAt) - Date.parse(failed.lastAttemptAt);
  expect(delayMs).toBeGreaterThanOrEqual(5000);
  expect(await list()).toMatchObject([{ state: 'unavailable' }]);

  receiver.reply = () => ({ status: 200 });
  const count = receiver.received.length;
  await retryUntil(() => receiver.received.length > count);
  const [first, second] = receiver.received;
  expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id']);
  expect(receiver.received.every(({ path }) => path === '/hooks')).toBe(true);
  await waitUntil(async () => (await list())[0].state === 'enabled');
  expect(await deliveries()).toMatchObject([{ status: 'delivered', lastError: null }]);
});

test('a later event of a group waits for an earlier one, which is repeated; those of other groups do not', async () => {
  await create();
  receiver.reply = ({ event }) => ({ status: event.data.group.name === 'Bad' ? 503 : 200 });
  const bad = await app.createGroup({ name: 'Bad' });
  await receives(1);
  await app.post('/deleteGroup', { id: bad });
  const good = await app.createGroup({ name: 'Good' });
  await app.post('/deleteGroup', { id: good });
  const ofGood = () => receiver.received.filter(({ event }) => event.data.group.id === good);
  await waitUntil(() => ofGood().length === 2);
  await isQuiet();
  expect(ofGood().map(({ event }) => event.type)).toStrictEqual(['group.created', 'group.deleted']);
  expect(
    receiver.received.some(({ event }) => event.type === 'group.deleted' && event.data.group.id === bad),
  ).toBe(false);

  receiver.reply = () => ({ status: 200 });
  await retryUntil(() => types().filter((type) => type === 'group.deleted').length === 2);
  const badOnly = receiver.received.filter(({ event }) => event.data.group.id === bad);
  expect(badOnly.at(-1)!.event.type).toBe('group.deleted');
  expect(badOnly.slice(0, -1).every(({ event }) => event.type === 'group.created')).toBe(true);
});

test('a receiver that never responds gets two attempts at a time, and does not delay the events of another one', async () => {
  const slow = await openReceiver();
  slow.reply = () => 'hang';
  await runJson('create', slow.url);
  await create();
  const ids = [];
  for (let index = 0; index < 6; index++) ids.push(await app.createGroup());
  await waitUntil(() => slow.received.length >= 2);
  // Now, since the attempts after 15 seconds may overlap with the end of these at the receiver.
  expect(slow.maxConcurrent()).toBe(2);
  await receives(6);
  expect(new Set(receiver.received.map(({ event }) => event.data.group.id))).toStrictEqual(new Set(ids));
  await slow.close();
});

test('Retry-After delays the next attempt beyond the schedule, up to a day', async () => {
  await create();
  const delayOf = async (header: string) => {
    receiver.reply = () => ({ status: 429, headers: { 'Retry-After': header } });
    await app.createGroup();
    await receives(1);
    await isQuiet();
    const [delivery] = await deliveries();
    receiver.received.length = 0;
    return Math.round((Date.parse(delivery.nextAttemptAt) - Date.parse(delivery.lastAttemptAt)) / 1000);
  };
  expect(await delayOf('3600')).toBe(3600);
  expect(await delayOf('999999')).toBe(86_400);
  expect(Math.abs((await delayOf(new Date(Date.now() + 7_200_000).toUTCString())) - 7200)).toBeLessThan(60);
  expect(await delayOf('soon')).toBeLessThan(3600);
});

test('410 disables the webhook, with an audit event; enable continues with the events since then', async () => {
  const { id } = await create();
  receiver.reply = () => ({ status: 410, body: 'gone' });
  await app.createGroup({ name: 'One' });
  await waitUntil(async () => (await list())[0].state === 'disabled');
  expect(await runJson('show', String(id))).toMatchObject({
    state: 'disabled',
    disabledReason: 'the endpoint returned 410 Gone',
    pendingDeliveries: 1,
  });
  await app.createGroup({ name: 'Two' });
  const { body } = await app.post('/auditEvents', {
    filter: { operation: 'webhooks disable', targetId: String(id) },
  });
  expect(body.data.auditEvents.nodes).toMatchObject([
    {
      account: 'group-api',
      outcome: 'done',
      targetIds: [String(id)],
      reason: 'the endpoint returned 410 Gone',
    },
  ]);
  expect(receiver.received).toHaveLength(1);

  receiver.reply = () => ({ status: 200 });
  await runJson('enable', String(id));
  await receives(3);
  const names: string[] = receiver.received.map(({ event }) => event.data.group.name);
  expect(names.filter((name) => name === 'One')).toHaveLength(2);
  expect(names.filter((name) => name === 'Two')).toHaveLength(1);
});

test('after 410, deliveries that a server has claimed are not sent, and count no attempt', async () => {
  const { id } = await create();
  await runJson('disable', String(id));
  for (let index = 0; index < 6; index++) await app.createGroup();
  receiver.reply = () => ({ status: 410 });
  await runJson('enable', String(id));
  await waitUntil(async () => {
    const [row] = await app.sql<{ count: number }>(
      'SELECT count(*)::int AS count FROM webhook_deliveries WHERE NOT is_claimed AND attempts = 0',
    );
    return row!.count >= 4 && (await list())[0].state === 'disabled';
  });
  // Two attempts run at a time.
  expect(receiver.received.length).toBeLessThanOrEqual(2);
  expect(await runJson('show', String(id))).toMatchObject({ state: 'disabled', pendingDeliveries: 6 });
});
