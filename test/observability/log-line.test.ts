import { once } from 'node:events';
import { request } from 'node:http';
import { expect, test } from '@jest/globals';
import { logLinesOf } from '../support/log-lines.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { useServedApp, type Answer } from '../support/served-app.ts';
import { createTestAccount } from '../support/test-accounts.ts';
import { testKey, type Json } from '../support/test-app.ts';
import { subscribe } from '../support/subscription.ts';
import { waitUntil } from '../support/wait-until.ts';

// The log line of a request, of a server in a separate process.
const slowMs = 1500;
const app = useServedApp(() => ({ SLOW_REQUEST_MS: String(slowMs) }));

/** The log line of a request, without what each line has. */
async function lineOf(answer: Pick<Answer, 'requestId'>): Promise<Json> {
  const {
    time: _time,
    hostname: _hostname,
    pid,
    milliseconds,
    level: _level,
    msg: _msg,
    ...line
  } = await app.lineOf(answer);
  expect([pid, milliseconds]).toStrictEqual([app.process.pid, expect.any(Number)]);
  return line;
}

const sendAndRead = async (
  path: string,
  body: object | string | undefined,
  headers?: Record<string, string>,
): Promise<Json> => lineOf(await (body === undefined ? app.get(path) : app.post(path, body, headers)));

const common = { method: 'POST', account: 'admin', ip: '127.0.0.1', requestId: expect.any(String) };

test('the log line of a delete has its endpoint, root field, status, account and batch size', async () => {
  const id = await app.createGroup();
  expect(await sendAndRead('/deleteGroup', { id })).toStrictEqual({
    ...common,
    path: '/deleteGroup',
    endpoint: 'operation',
    rootFields: ['deleteGroup'],
    status: 200,
    batchSize: 1,
  });
});

test('the log line of a rejection has its code, and that of a repeated call says so', async () => {
  const id = await app.createGroup();
  const query = 'mutation ($id: Int!) { one: deleteGroup(id: $id) { id } two: deleteGroup(id: $id) { id } }';
  const sent = { query, variables: { id } };
  const first = {
    ...common,
    path: '/graphql',
    endpoint: 'graphql',
    rootFields: ['deleteGroup'],
    status: 200,
  };
  expect(await sendAndRead('/graphql', sent, { 'Idempotency-Key': 'k' })).toStrictEqual({
    ...first,
    code: 'NOT_FOUND',
    batchSize: 1,
  });
  expect(await sendAndRead('/graphql', sent, { 'Idempotency-Key': 'k' })).toMatchObject({ replayed: true });
  expect(await sendAndRead('/deleteGroup', { id: 'seven' })).toStrictEqual({
    ...common,
    path: '/deleteGroup',
    endpoint: 'operation',
    rootFields: ['deleteGroup'],
    status: 400,
    code: 'BAD_USER_INPUT',
  });
});

test.each([
  ['/graphql', { query: '{ nothing }' }, { endpoint: 'graphql', code: 'GRAPHQL_VALIDATION_FAILED' }],
  [
    '/graphql',
    { query: '{ __schema { types { name } } }' },
    { endpoint: 'graphql', rootFields: ['__schema'] },
  ],
  ['/graphql', '{"query":', { endpoint: 'graphql', code: 'BAD_REQUEST', status: 400 }],
  ['/deleteGroup', {}, { endpoint: 'operation', code: 'BAD_USER_INPUT', status: 400 }],
  ['/%zz', undefined, { endpoint: 'other', code: 'BAD_REQUEST', status: 400 }],
  ['/no-such-path', {}, { endpoint: 'other', code: 'PATH_NOT_FOUND', status: 404 }],
  ['/whoami', undefined, { endpoint: 'other', status: 200 }],
  ['/livez', undefined, { endpoint: 'health', status: 200 }],
  ['/', undefined, { endpoint: 'page', status: 200 }],
  [
    '/api/v4/autodialer/groups/remove',
    { _id: '' },
    { endpoint: 'autodialer', rootFields: ['autodialer/groups/remove'], status: 200, code: 'BAD_USER_INPUT' },
  ],
  ['/api/v4/nothing', {}, { endpoint: 'autodialer', code: 'NOT_IMPLEMENTED', status: 501 }],
])('the log line of %s %j', async (path, body, expected) => {
  expect(await sendAndRead(path, body)).toMatchObject(expected);
});

test('the log line of a failed sign-in names no account; that of a lacking scope names it', async () => {
  const account = await createTestAccount(app.database, { username: 'reader', scopes: ['groups:read'] });
  expect(await sendAndRead('/deleteGroup', { id: 1 }, { 'X-APIKEY': 'wrong' })).toStrictEqual({
    method: 'POST',
    path: '/deleteGroup',
    endpoint: 'operation',
    status: 401,
    code: 'UNAUTHENTICATED',
    ip: '127.0.0.1',
    requestId: expect.any(String),
  });
  expect(await sendAndRead('/deleteGroup', { id: 1 }, account.byKey)).toMatchObject({
    account: 'reader',
    status: 403,
    code: 'FORBIDDEN',
  });
});

test('the log line of a slow request is a warning with the parts of its time; others are not', async () => {
  const id = await app.createGroup();
  const blocker = await openSecondConnection(app.database);
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE groups IN EXCLUSIVE MODE');
  const slow = app.post('/deleteGroup', { id });
  await blocker.waitForBlocked(1, slowMs + 100);
  await blocker.close();
  const line = await app.lineOf(await slow);
  expect(line).toMatchObject({ level: 40, msg: 'request', status: 200, batchSize: 1 });
  expect(line.statement).toBeGreaterThan(slowMs);
  for (const part of ['receiving', 'waiting', 'rest']) expect(line[part]).toBeGreaterThanOrEqual(0);
  const sum = line.receiving + line.waiting + line.statement + line.rest;
  expect(Math.abs(sum - line.milliseconds)).toBeLessThan(1);
});

/** Opens a request with a body that is sent later. */
const openRequest = (path: string, requestId: string) => {
  const client = request(app.httpUrl + path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-APIKEY': testKey, 'X-Request-Id': requestId },
  });
  client.on('error', () => undefined);
  return client;
};

test('slow clients, also with a bad body or none, and an open subscription are no slow requests', async () => {
  const clients = ['slow-client', 'bad-body', 'gone-client'].map((id) => openRequest('/allGroups', id));
  clients.push(openRequest('/api/v4/autodialer/groups/add', 'gone-upload'));
  for (const client of clients) client.write('{');
  const [client, badBody, ...gone] = clients;
  const stream = await subscribe(app.httpUrl, 'subscription { groupEvents { id } }', {
    headers: { 'X-Request-Id': 'stream' },
  });
  const openedAt = Date.now();
  await waitUntil(() => Date.now() - openedAt > slowMs + 100);
  const responded = Promise.all([once(client!, 'response'), once(badBody!, 'response')]);
  client!.end('}');
  badBody!.end('{');
  for (const one of gone) one.destroy();
  for (const [response] of await responded) response.resume();
  stream.close();
  for (const [requestId, outcome] of [
    ['slow-client', { status: 200 }],
    ['bad-body', { status: 400, code: 'BAD_REQUEST' }],
    ['gone-client', { aborted: true }],
    ['gone-upload', { aborted: true }],
  ] as const) {
    const slowClient = await app.lineOf({ requestId });
    expect(slowClient).toMatchObject({ level: 30, ...outcome });
    expect(slowClient.milliseconds).toBeGreaterThan(slowMs);
    if ('aborted' in outcome) expect(slowClient).not.toHaveProperty('status');
  }
  const line = await app.lineOf({ requestId: 'stream' });
  expect(line).toMatchObject({ level: 30, endpoint: 'graphql', rootFields: ['groupEvents'], status: 200 });
  expect(line).not.toHaveProperty('aborted');
  const opened = { requestId: 'stream', account: 'admin', ip: '127.0.0.1' };
  expect(logLinesOf(app.process, 'a subscription was opened')).toMatchObject([opened]);
});

test('a slow request whose client has gone is a warning without a status, and without parts, which are not known', async () => {
  const id = await app.createGroup();
  const blocker = await openSecondConnection(app.database);
  await blocker.lockGroup(id);
  const client = openRequest('/deleteGroup', 'gone');
  client.end(JSON.stringify({ id }));
  await blocker.waitForBlocked(1, slowMs + 100);
  client.destroy();
  const line = await app.lineOf({ requestId: 'gone' });
  await blocker.close();
  expect(line).toMatchObject({ level: 40, aborted: true, account: 'admin', rootFields: ['deleteGroup'] });
  for (const name of ['status', 'receiving', 'waiting', 'statement', 'rest'])
    expect(line).not.toHaveProperty(name);
});
