import { beforeAll, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { plainGroup } from '../support/test-app.ts';
import { createTestAccount } from '../support/test-accounts.ts';
import { drawTree, type ReceivedSpan } from '../support/trace-collector.ts';
import { type Answer } from '../support/served-app.ts';
import { useTracedServer } from '../support/traced-server.ts';
import { waitUntil } from '../support/wait-until.ts';
import { openReceiver } from '../support/webhook-receiver.ts';

const webhookSettings = { WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' };
const server = useTracedServer(webhookSettings);
const { run, environment } = createCommandLine(() => server.database);
Object.assign(environment, webhookSettings);

/** A purge runs at the start, and once a minute. */
let spansOfPurge: ReceivedSpan[];
beforeAll(async () => {
  await waitUntil(() => server.named('purge').length > 0);
  const [purge] = server.named('purge');
  spansOfPurge = server.collector.spans.filter(({ traceId }) => traceId === purge!.traceId);
});

test('the trace of a delete has its sign-in, its operation, its batch and its statement', async () => {
  const id = await server.createGroup();
  const answer = await server.post('/deleteGroup', { id });
  expect(answer.status).toBe(200);
  const root = await server.rootOf(answer);
  const spans = server.collector.spans.filter(({ traceId }) => traceId === root.traceId);
  expect(drawTree(spans, root)).toBe(
    ['POST /deleteGroup', '  sign-in', '  deleteGroup', '    batch', '      DELETE groups'].join('\n'),
  );
  expect(root).toMatchObject({ parentSpanId: undefined, isError: false });
  expect(root.attributes).toMatchObject({
    'http.request.method': 'POST',
    'http.route': '/deleteGroup',
    'http.response.status_code': 200,
    'group_api.endpoint': 'operation',
    'group_api.batch_size': 1,
  });
  const [batch, statement] = ['batch', 'DELETE groups'].map((name) =>
    spans.find((span) => span.name === name)!,
  );
  expect(batch!.attributes).toStrictEqual({ 'group_api.batch_size': 1 });
  expect(batch!.links).toStrictEqual([{ traceId: root.traceId, spanId: root.spanId }]);
  expect(statement).toMatchObject({
    kind: 3,
    attributes: { 'db.system.name': 'postgresql', 'db.query.summary': 'DELETE groups' },
  });
  expect(server.collector.resource()).toMatchObject({ 'service.name': 'group-api' });
});

test('two concurrent deletes are one batch, which is linked to both requests, and both lead to it', async () => {
  const idsOf = ({ traceId, spanId }: ReceivedSpan) => ({ traceId, spanId });
  // Another round if the last delete came too late on a busy machine.
  await waitUntil(async () => {
    const ids = await Promise.all([1, 2, 3, 4].map(() => server.createGroup()));
    const [first, second, third, fourth] = ids.map((id) => () => server.post('/deleteGroup', { id }));
    const blocker = await openSecondConnection(server.database);
    await blocker.query('BEGIN');
    await blocker.query('LOCK TABLE groups IN EXCLUSIVE MODE');
    // Two statements may run: the deletes that come then wait together.
    const alone = [first!()];
    await blocker.waitForBlocked(1);
    alone.push(second!());
    await blocker.waitForBlocked(2);
    const together = [third!(), fourth!()];
    for (let turn = 0; turn < 3; turn++) await fetch(`${server.httpUrl}/livez`);
    await blocker.close();
    const answers = await Promise.all([...alone, ...together]);
    expect(answers.map(({ status }) => status)).toStrictEqual([200, 200, 200, 200]);
    const roots = await Promise.all(answers.slice(2).map((answer) => server.rootOf(answer)));
    const batch = server.named('batch').find(({ links }) => links.length === 2);
    if (!batch) return false;

    expect(batch.attributes).toStrictEqual({ 'group_api.batch_size': 2 });
    expect(batch.links).toEqual(expect.arrayContaining(roots.map(idsOf)));
    const operations = server
      .named('deleteGroup')
      .filter(({ traceId }) => roots.some((root) => root.traceId === traceId));
    const leading = operations.find(({ spanId }) => spanId === batch.parentSpanId)!;
    const [other] = operations.filter((operation) => operation !== leading);
    expect(leading.links).toStrictEqual([]);
    expect(other!.links).toStrictEqual([idsOf(batch)]);
    expect(drawTree(server.collector.spans, leading)).toBe('deleteGroup\n  batch\n    DELETE groups');
    return true;
  });
});

test('a request continues the trace of its traceparent, whose id is in the log line; its baggage is ignored', async () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const answer = await server.post(
    '/graphql',
    { query: '{ groups: allGroups { id } registrationGroups { id } }' },
    { traceparent: `00-${traceId}-00f067aa0ba902b7-01`, baggage: 'customer=secret-of-the-baggage' },
  );
  const root = await server.rootOf(answer);
  expect([root.traceId, root.parentSpanId]).toStrictEqual([traceId, '00f067aa0ba902b7']);
  const rootFields = ['allGroups', 'registrationGroups'];
  expect(await server.lineOf(answer)).toMatchObject({ traceId, endpoint: 'graphql', rootFields });
  const [operation] = server.named('operation');
  expect(operation!.attributes).toMatchObject({ 'group_api.root_fields': rootFields });
  expect(drawTree(server.collector.spans, operation!)).toBe('operation\n  findMany Group\n  findMany Group');
  expect(server.collector.texts.join() + server.process.stderr()).not.toContain('secret-of-the-baggage');
});

test('a request that its caller does not sample has no spans, and its trace id is in the log line', async () => {
  const traceId = 'a'.repeat(32);
  const unsampled = await server.post(
    '/allGroups',
    {},
    { traceparent: `00-${traceId}-${'b'.repeat(16)}-00` },
  );
  await server.rootOf(await server.post('/allGroups', {}));
  expect(await server.lineOf(unsampled)).toMatchObject({ traceId });
  expect(server.collector.spans.filter((span) => span.traceId === traceId)).toStrictEqual([]);
});

test('a rejection has its code and is no failure of the server; spans have no names, values, SQL or paths', async () => {
  const account = await createTestAccount(server.database, { username: 'clerk-of-traces' });
  const id = await server.createGroup({ name: 'name-of-a-group' });
  await server.post('/subscribe', { groupId: id, username: 'name-of-a-subscriber' }, account.byKey);
  const blocked = await server.post('/deleteGroup', { id, reason: 'a-reason' }, account.byKey);
  const root = await server.rootOf(blocked);
  expect([root.isError, root.attributes]).toMatchObject([
    false,
    { 'group_api.error_code': 'HAS_ACTIVE_SUBSCRIBERS', 'http.response.status_code': 409 },
  ]);
  const wrongKey = { 'X-APIKEY': 'wrong-key-of-traces' };
  const denied = await server.post('/allGroups', {}, wrongKey);
  const deniedRoot = await server.rootOf(denied);
  expect(drawTree(server.collector.spans, deniedRoot)).toBe('POST /allGroups\n  sign-in');
  const [signIn] = server.named('sign-in').filter(({ parentSpanId }) => parentSpanId === deniedRoot.spanId);
  expect(signIn!.attributes).toStrictEqual({ 'group_api.is_success': false });
  expect((await server.rootOf(await server.post('/some-path', {}, wrongKey))).name).toBe('POST');

  const secrets = ['clerk-of-traces', account.apiKey!, 'name-of-a-group', 'name-of-a-subscriber', 'a-reason'];
  for (const secret of [...secrets, 'wrong-key-of-traces', 'some-path', 'INSERT INTO', 'RETURNING'])
    expect([secret, server.collector.texts.join().includes(secret)]).toStrictEqual([secret, false]);
});

test('an internal error marks the spans of the request as failed, without its message', async () => {
  await server.database.sql('ALTER TABLE groups RENAME COLUMN price TO cost');
  const answer = await server.post('/allGroups', {});
  await server.database.sql('ALTER TABLE groups RENAME COLUMN cost TO price');
  expect(answer.status).toBe(500);
  expect(await server.rootOf(answer)).toMatchObject({
    isError: true,
    attributes: { 'error.type': 'INTERNAL_SERVER_ERROR', 'http.response.status_code': 500 },
  });
  expect(server.named('allGroups')).toMatchObject([{ isError: true }]);
  expect(server.collector.texts.join()).not.toContain('does not exist');
});

test('a request whose URL cannot be decoded has a trace', async () => {
  const root = await server.rootOf(await server.get('/%zz'));
  expect(root).toMatchObject({ name: 'GET', attributes: { 'http.response.status_code': 400 } });
});

test('a client that leaves during its sign-in ends its span once; the log has no warning', async () => {
  const blocker = await openSecondConnection(server.database);
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE accounts');
  const client = new AbortController();
  const headers = { 'X-APIKEY': 'wrong-key-of-one', 'X-Request-Id': 'leaves' };
  const left = fetch(`${server.httpUrl}/whoami`, { headers, signal: client.signal }).catch(() => undefined);
  await blocker.waitForBlocked(1);
  const other = server.post('/allGroups', {}, { 'X-APIKEY': 'wrong-key-of-another' });
  await blocker.waitForBlocked(2);
  client.abort();
  await left;
  const root = await server.rootOf({ requestId: 'leaves' } as Answer);
  const signIn = server.named('sign-in').find(({ traceId }) => traceId === root.traceId);
  expect(signIn?.attributes).toStrictEqual({ 'group_api.is_success': false });
  await blocker.close();
  // Its sign-in ends with that of the other request.
  await server.rootOf(await other);
  expect(server.process.stderr()).not.toContain('traces could not be sent');
});

const statementOf = async (answer: Answer, name: string) => {
  const { traceId } = await server.rootOf(answer);
  return server.named(name).find((span) => span.traceId === traceId);
};

test('a statement has the code of the database; a rejection by a constraint is no failure, another error is', async () => {
  const answer = await server.post('/createGroup', { group: { ...plainGroup, serviceGroupId: 999_999 } });
  expect(answer.status).toBe(400);
  await server.rootOf(answer);
  const rejected = server.collector.spans.filter(
    ({ attributes }) => attributes['db.response.status_code'] === '23503',
  );
  expect(rejected).toMatchObject([{ isError: false }]);
  expect(rejected[0]!.attributes).not.toHaveProperty(['group_api.error_code']);

  await server.database.sql('ALTER TABLE groups RENAME COLUMN price TO cost');
  const failed = await server.post('/allGroups', {});
  await server.database.sql('ALTER TABLE groups RENAME COLUMN cost TO price');
  expect(await statementOf(failed, 'findMany Group')).toMatchObject({
    isError: true,
    attributes: { 'db.response.status_code': '42703', 'error.type': '42703' },
  });
});

test('a statement whose connection the database ends has the error SERVICE_UNAVAILABLE', async () => {
  const blocker = await openSecondConnection(server.database);
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE groups');
  const answer = server.post('/allGroups', {});
  await blocker.waitForBlocked();
  await blocker.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`);
  await blocker.close();
  expect((await answer).status).toBe(503);
  expect(await statementOf(await answer, 'findMany Group')).toMatchObject({
    isError: true,
    attributes: { 'error.type': 'SERVICE_UNAVAILABLE', 'db.response.status_code': '57P01' },
  });
});

test('the trace of a request to the autodialer has its service as the operation', async () => {
  const answer = await server.post('/api/v4/autodialer/groups/add', { name: 'a', numbers: ['1111'] });
  expect(answer.body.success).toBe(1);
  expect(drawTree(server.collector.spans, await server.rootOf(answer))).toMatch(
    /^POST \/api\/v4\/autodialer\/groups\/add\n {2}sign-in\n {2}autodialer\/groups\/add\n {4}\S/,
  );
});

test('a purge has a trace with its outcome and all of its statements, without ids or values', () => {
  const [purge] = spansOfPurge.filter(({ parentSpanId }) => parentSpanId === undefined);
  expect(purge).toMatchObject({ name: 'purge', kind: 1, isError: false, links: [] });
  expect(purge!.attributes).toStrictEqual({ 'group_api.outcome': 'done' });
  const statements = spansOfPurge.filter((span) => span !== purge);
  expect(statements.map(({ name }) => name)).toEqual(
    expect.arrayContaining([
      'DELETE deleted_groups',
      'deleteMany IdempotencyKey',
      'DELETE webhook_deliveries',
    ]),
  );
  for (const { name, kind, parentSpanId, attributes } of statements)
    expect([name, kind, parentSpanId, attributes]).toStrictEqual([
      name,
      3,
      purge!.spanId,
      { 'db.system.name': 'postgresql', 'db.query.summary': name },
    ]);
});

test('each attempt to send a webhook has a trace without the receiver; health checks and polls have none', async () => {
  const receiver = await openReceiver();
  const { code } = await run('webhooks', 'create', receiver.url);
  expect(code).toBe(0);
  await server.createGroup();
  await fetch(`${server.httpUrl}/readyz`);
  await waitUntil(() => server.named('webhook attempt').length > 0);
  await receiver.close();
  await server.database.sql('DELETE FROM webhook_endpoints');
  expect(server.named('webhook attempt')[0]).toMatchObject({
    parentSpanId: undefined,
    attributes: { 'http.response.status_code': 204, 'group_api.event_type': 'group.created' },
  });
  const { spans, texts } = server.collector;
  expect(texts.join()).not.toMatch(new RegExp(`${new URL(receiver.url).host}|readyz|webhook_deliveries`));
  // The trace of the mutation has no statement of the work in the background that it wakes. A purge may be due.
  const roots = spans
    .filter(({ parentSpanId, name }) => parentSpanId === undefined && name !== 'purge')
    .map(({ name }) => name);
  expect(new Set(roots)).toStrictEqual(new Set(['POST /createGroup', 'webhook attempt']));
});
