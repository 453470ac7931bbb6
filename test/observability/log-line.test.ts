import { once } from 'node:events';
import { request } from 'node:http';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { logLinesOf, readLogLines } from '../support/log-lines.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { createTestAccount } from '../support/test-accounts.ts';
import { testKey, useTestApp, type Json } from '../support/test-app.ts';
import { subscribe } from '../support/subscription.ts';
import { waitUntil } from '../support/wait-until.ts';

// The log line of a request. The server has its own process; `app` prepares the state on the same database.
const app = useTestApp();
const slowMs = 1500;
let server: ServerProcess;
let url: string;
beforeAll(async () => {
  server = startServer({
    DATABASE_URL: app.url,
    ADMIN_API_KEY: testKey,
    SLOW_REQUEST_MS: String(slowMs),
    MAX_EVENT_LOOP_DELAY_MS: '60000',
    REQUEST_TIMEOUT_SECONDS: '120',
  });
  ({ url } = await server.ready);
});
afterAll(async () => {
  server.kill('SIGTERM');
  await server.exited;
});

let requests = 0;
/** Sends a request, and returns its log line with the response. */
async function lineOf(
  path: string,
  body: object | string | undefined,
  headers: Record<string, string> = {},
): Promise<Json> {
  const requestId = `request-${++requests}`;
  const response = await fetch(url + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      'X-APIKEY': testKey,
      'X-Request-Id': requestId,
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  await response.text();
  return waitForLine(requestId);
}

async function waitForLine(requestId: string): Promise<Json> {
  const find = () => logLinesOf(server, 'request').find((line) => line.requestId === requestId);
  await waitUntil(() => find() !== undefined);
  const { time: _time, pid, hostname: _hostname, milliseconds, level: _level, msg: _msg, ...line } = find();
  expect([pid, milliseconds]).toStrictEqual([server.pid, expect.any(Number)]);
  return line;
}

const common = { method: 'POST', account: 'admin', ip: '127.0.0.1', requestId: expect.any(String) };

test('the log line of a delete has its endpoint, root field, status, account and batch size', async () => {
  const id = await app.createGroup();
  expect(await lineOf('/deleteGroup', { id })).toStrictEqual({
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
  expect(await lineOf('/graphql', sent, { 'Idempotency-Key': 'k' })).toStrictEqual({
    ...first,
    code: 'NOT_FOUND',
    batchSize: 1,
  });
  expect(await lineOf('/graphql', sent, { 'Idempotency-Key': 'k' })).toMatchObject({ replayed: true });
  expect(await lineOf('/deleteGroup', { id: 'seven' })).toStrictEqual({
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
  expect(await lineOf(path, body)).toMatchObject(expected);
});

test('the log line of a failed sign-in names no account; that of a lacking scope names it', async () => {
  const account = await createTestAccount(app, { username: 'reader', scopes: ['groups:read'] });
  expect(await lineOf('/deleteGroup', { id: 1 }, { 'X-APIKEY': 'wrong' })).toStrictEqual({
    method: 'POST',
    path: '/deleteGroup',
    endpoint: 'operation',
    status: 401,
    code: 'UNAUTHENTICATED',
    ip: '127.0.0.1',
    requestId: expect.any(String),
  });
  expect(await lineOf('/deleteGroup', { id: 1 }, account.byKey)).toMatchObject({
    account: 'reader',
    status: 403,
    code: 'FORBIDDEN',
  });
});

test('the log line of a slow request is a warning with the parts of its time; others are not', async () => {
  const id = await app.createGroup();
  const blocker = await openSecondConnection(app);
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE groups IN EXCLUSIVE MODE');
  const slow = lineOf('/deleteGroup', { id });
  await blocker.waitForBlocked(1, slowMs + 100);
  await blocker.close();
  const { requestId: slowId } = await slow;
  const line = readLogLines(server).find(({ requestId }) => requestId === slowId);
  expect(line).toMatchObject({ level: 40, msg: 'request', status: 200, batchSize: 1 });
  expect(line.statement).toBeGreaterThan(slowMs);
  for (const part of ['receiving', 'waiting', 'rest']) expect(line[part]).toBeGreaterThanOrEqual(0);
  const sum = line.receiving + line.waiting + line.statement + line.rest;
  expect(Math.abs(sum - line.milliseconds)).toBeLessThan(1);
});

test('a slow client and an open subscription are no slow requests', async () => {
  const client = request(`${url}/allGroups`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-APIKEY': testKey, 'X-Request-Id': 'slow-client' },
  });
  client.write('{');
  const stream = await subscribe(url, 'subscription { groupEvents { id } }', {
    headers: { 'X-Request-Id': 'stream' },
  });
  const openedAt = Date.now();
  await waitUntil(() => Date.now() - openedAt > slowMs + 100);
  const responded = once(client, 'response');
  client.end('}');
  const [response] = await responded;
  response.resume();
  stream.close();
  await waitForLine('slow-client');
  expect(await waitForLine('stream')).toMatchObject({ endpoint: 'graphql', rootFields: ['groupEvents'] });
  const levels = readLogLines(server).filter(({ requestId }) =>
    ['slow-client', 'stream'].includes(requestId),
  );
  expect(levels.map(({ level }) => level)).toStrictEqual([30, 30]);
});

test('a request whose client has gone has a log line without a status', async () => {
  const id = await app.createGroup();
  const blocker = await openSecondConnection(app);
  await blocker.lockGroup(id);
  const client = request(`${url}/deleteGroup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-APIKEY': testKey, 'X-Request-Id': 'gone' },
  });
  client.on('error', () => undefined);
  client.end(JSON.stringify({ id }));
  await blocker.waitForBlocked();
  client.destroy();
  const line = await waitForLine('gone');
  await blocker.close();
  expect(line).toMatchObject({ aborted: true, account: 'admin', rootFields: ['deleteGroup'] });
  expect(line).not.toHaveProperty('status');
});
