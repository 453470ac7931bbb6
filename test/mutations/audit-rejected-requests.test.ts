import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createAutodialerClient, groupsPath } from '../support/autodialer.ts';
import { createProbes } from '../support/probes.ts';
import { createTestAccount } from '../support/test-accounts.ts';
import { openTestApp, useTestApp, type ApiResponse, type TestApp } from '../support/test-app.ts';
import { createTestFolder } from '../support/test-folder.ts';

// Mutations that are rejected before their resolvers run: by GraphQL itself, by a limit, or by HTTP.
const app = useTestApp();
const { readState, auditOf, nextRequestId } = createProbes(() => app);
const { addGroup } = createAutodialerClient(() => app);

const repeat = (count: number, write: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => write(index)).join(' ');
const deletion = 'mutation ($id: Int!) { deleteGroup(id: $id) { id } }';

/** Sends a request that is rejected, and returns its audit events. Asserts that nothing else has changed. */
const entriesOf = async (
  send: (headers: Record<string, string>) => Promise<ApiResponse>,
  from: TestApp = app,
): Promise<{ answer: ApiResponse; entries: Record<string, unknown>[] }> => {
  const before = await readState();
  const requestId = nextRequestId();
  const answer = await send({ 'X-Request-Id': requestId, 'Idempotency-Key': requestId });
  expect(await readState()).toStrictEqual(before);
  const rows = await from.sql(
    `SELECT operation, outcome, error_code, target_ids, reason, before, after, account, user_agent FROM audit_events
     WHERE request_id = $1 ORDER BY id`,
    [requestId],
  );
  return { answer, entries: rows };
};
const refused = (operation: string, errorCode: string, ...ids: (number | string)[]) => ({
  operation,
  outcome: 'refused',
  error_code: errorCode,
  target_ids: ids.map(String),
  before: null,
  after: null,
  account: 'admin',
});

describe('the audit has one event for a mutation that is rejected by', () => {
  type Case = [what: string, path: string, body: unknown, entry: ReturnType<typeof refused>];
  const tokens = repeat(1500, (i) => String(i + 1));
  const cases: Case[] = [
    [
      'the coercion of a text',
      '/graphql',
      { query: deletion, variables: { id: '5' } },
      refused('deleteGroup', 'BAD_USER_INPUT'),
    ],
    [
      'the coercion of 2147483648',
      '/graphql',
      { query: deletion, variables: { id: 2147483648 } },
      refused('deleteGroup', 'BAD_USER_INPUT', 2147483648),
    ],
    ['a missing variable', '/graphql', { query: deletion }, refused('deleteGroup', 'BAD_USER_INPUT')],
    [
      'a null among the ids',
      '/graphql',
      {
        query: 'mutation ($ids: [Int!]!) { deleteGroups(ids: $ids) { id } }',
        variables: { ids: [5, null, '6', 7] },
      },
      refused('deleteGroups', 'BAD_USER_INPUT', 5, 7),
    ],
    [
      'coercion, of a variable with a default',
      '/graphql',
      {
        query: 'mutation ($id: Int = 8, $r: String) { deleteGroup(id: $id, reason: $r) { id } }',
        variables: { r: 5 },
      },
      refused('deleteGroup', 'BAD_USER_INPUT', 8),
    ],
    ['the coercion in the short form', '/deleteGroup', { id: '5' }, refused('deleteGroup', 'BAD_USER_INPUT')],
    [
      'the coercion of variables',
      '/deleteGroup',
      { variables: { id: 2147483648 } },
      refused('deleteGroup', 'BAD_USER_INPUT', 2147483648),
    ],
    [
      'an unknown argument in the short form',
      '/deleteGroup',
      { id: 5, idd: 6 },
      refused('deleteGroup', 'BAD_USER_INPUT', 5),
    ],
    [
      'an argument next to variables',
      '/editGroup',
      { variables: { id: 5 }, id: 6 },
      refused('editGroup', 'BAD_USER_INPUT', 5),
    ],
    ['a body that is a list', '/deleteGroup', [{ id: 5 }], refused('deleteGroup', 'BAD_USER_INPUT')],
    ['a duplicate key', '/deleteGroup', '{"id":5,"id":6}', refused('deleteGroup', 'BAD_USER_INPUT')],
    [
      'an unknown argument in a text',
      '/graphql',
      { query: 'mutation { deleteGroup(id: 5, idd: 6) { id } }' },
      refused('deleteGroup', 'GRAPHQL_VALIDATION_FAILED', 5),
    ],
    [
      'an unknown field of the result',
      '/graphql',
      { query: 'mutation { createGroup(group: { name: "a" }) { nothing } }' },
      refused('createGroup', 'GRAPHQL_VALIDATION_FAILED'),
    ],
    [
      'a literal of a wrong type',
      '/graphql',
      { query: 'mutation { deleteGroup(id: "5") { id } }' },
      refused('deleteGroup', 'GRAPHQL_VALIDATION_FAILED'),
    ],
    [
      'an unknown operation name',
      '/graphql',
      { query: 'mutation a { deleteGroup(id: 5) { id } }', operationName: 'b' },
      refused('deleteGroup', 'OPERATION_RESOLUTION_FAILURE', 5),
    ],
    [
      'another root field than that of the path',
      '/deleteGroup',
      { query: 'mutation { moveSubscribers(fromGroupId: 5, toGroupId: 6) { movedCount } }' },
      refused('moveSubscribers', 'BAD_USER_INPUT', 5, 6),
    ],
    [
      'the path, with invalid GraphQL',
      '/deleteGroup',
      { query: 'mutation {', variables: { id: 5 } },
      refused('deleteGroup', 'GRAPHQL_PARSE_FAILED', 5),
    ],
    [
      'a field of mutations in a query',
      '/deleteGroup',
      { query: '{ deleteGroup(id: 5) { id } }' },
      refused('deleteGroup', 'GRAPHQL_VALIDATION_FAILED'),
    ],
    [
      'an unknown persisted query',
      '/deleteGroup',
      { extensions: { persistedQuery: { version: 1, sha256Hash: 'aa' } }, variables: { id: 5 } },
      refused('deleteGroup', 'PERSISTED_QUERY_NOT_SUPPORTED', 5),
    ],
    [
      'the limit of aliases',
      '/graphql',
      { query: `mutation { deleteGroup(id: 5) { ${repeat(31, (i) => `a${i}: id`)} } }` },
      refused('deleteGroup', 'QUERY_TOO_COMPLEX', 5),
    ],
    [
      'the limit of depth',
      '/graphql',
      {
        query: `mutation { deleteGroup(id: 5) { ${'subscribers(first: 1) { nodes { group { '.repeat(4)} id ${'} } }'.repeat(4)} } }`,
      },
      refused('deleteGroup', 'QUERY_TOO_COMPLEX', 5),
    ],
    [
      'the limit of cost',
      '/deleteGroups',
      {
        query: `mutation ($ids: [Int!]!) { deleteGroups(ids: $ids) { subscribers(first: 200) { nodes { username } edges { cursor } } } }`,
        variables: { ids: [5, 6] },
      },
      refused('deleteGroups', 'QUERY_TOO_COMPLEX', 5, 6),
    ],
    [
      'the limit of directives',
      '/graphql',
      { query: `mutation { deleteGroup(id: 5) { id ${'@include(if: true) '.repeat(31)} } }` },
      refused('deleteGroup', 'GRAPHQL_VALIDATION_FAILED', 5),
    ],
    [
      'the limit of tokens, in the ids',
      '/graphql',
      { query: `mutation { deleteGroups(ids: [${tokens}]) { id } }` },
      refused('deleteGroups', 'QUERY_TOO_COMPLEX', ...Array.from({ length: 1000 }, (_, i) => i + 1)),
    ],
    [
      'the limit of tokens, after the arguments',
      '/graphql',
      {
        query: `mutation ($id: Int!) { deleteGroup(id: $id) { ${'id '.repeat(1500)} } }`,
        variables: { id: 5 },
      },
      refused('deleteGroup', 'QUERY_TOO_COMPLEX', 5),
    ],
  ];
  test.each(cases)('%s', async (_what, path, body, entry) => {
    const { answer, entries } = await entriesOf((headers) =>
      typeof body === 'string'
        ? app.send(path, {
            method: 'POST',
            headers: { ...headers, 'Content-Type': 'application/json' },
            body,
          })
        : app.post(path, body, headers),
    );
    expect(answer.body.errors[0].extensions.code).toBe(entry.error_code);
    expect(answer.body.data).toBeUndefined();
    expect(entries).toMatchObject([entry]);
  });

  test.each([
    [
      'GET with the mutation in the URL',
      'GET',
      '/graphql?query=mutation{deleteGroup(id:5){id}}',
      'BAD_REQUEST',
      ['5'],
    ],
    [
      'GET with the id in the variables',
      'GET',
      `/graphql?query=${encodeURIComponent(deletion)}&variables={"id":5}`,
      'BAD_REQUEST',
      ['5'],
    ],
    ['PUT at the path of an operation', 'PUT', '/deleteGroup', 'METHOD_NOT_ALLOWED', ['5']],
    ['DELETE at the path of an operation', 'DELETE', '/deleteGroup', 'METHOD_NOT_ALLOWED', ['5']],
  ])('its method: %s', async (_what, method, path, errorCode, ids) => {
    const isGet = method === 'GET';
    const { answer, entries } = await entriesOf((headers) =>
      app.send(path, {
        method,
        headers: isGet ? headers : { ...headers, 'Content-Type': 'application/json' },
        ...(!isGet && { body: '{"id":5}' }),
      }),
    );
    expect(answer.status).toBe(405);
    expect(entries).toMatchObject([refused('deleteGroup', errorCode, ...ids)]);
  });
});

test('a rejected dry run is recorded as a dry run, with a literal, a variable and a default', async () => {
  const query = 'mutation ($id: Int!, $d: Boolean) { deleteGroup(id: $id, dryRun: $d) { id } }';
  const bodies: [string, unknown][] = [
    ['/graphql', { query, variables: { id: 'x', d: true } }],
    ['/graphql', { query: 'mutation { deleteGroup(id: "x", dryRun: true) { id } }' }],
    ['/deleteGroup', { id: 'x', dryRun: true }],
    ['/deleteGroup', { dryRun: true, idd: 5 }],
  ];
  for (const [path, body] of bodies) {
    const { entries } = await entriesOf((headers) => app.post(path, body, headers));
    expect(entries).toMatchObject([{ operation: 'deleteGroup', outcome: 'dry-run' }]);
  }
  const { entries } = await entriesOf((headers) =>
    app.post('/deleteGroup', { id: 'x', dryRun: 'true' }, headers),
  );
  expect(entries).toMatchObject([{ outcome: 'refused' }]);
});

describe('a rejected request with several root fields', () => {
  test('each root field has one audit event, whatever rejects it', async () => {
    const query = `mutation ($ids: [Int!]) {
      one: deleteGroup(id: 2000000001) { id } two: deleteGroups(ids: $ids) { id } deleteGroup(id: 0) { id }
      left: deleteGroup(id: 7) @skip(if: true) { id } }`;
    const { entries } = await entriesOf((headers) =>
      app.post('/graphql', { query, variables: { ids: null } }, headers),
    );
    expect(
      entries.map(({ operation, error_code, target_ids }) => [operation, error_code, target_ids]),
    ).toStrictEqual([
      ['deleteGroup', 'NOT_FOUND', ['2000000001']],
      // Events that no resolver could write come last.
      ['deleteGroup', 'BAD_USER_INPUT', ['0']],
      ['deleteGroups', 'BAD_USER_INPUT', []],
    ]);
  });

  test('root fields in fragments, and with the same name twice, have one audit event each', async () => {
    const query = `mutation ($x: Int!) { ...F ... on Mutation { b: deleteGroup(id: $x) { id } } deleteGroup(id: 5) { id } deleteGroup(id: 5) { name } }
      fragment F on Mutation { restoreGroup(id: 6) { id } ...G } fragment G on Mutation { restoreGroup(id: 6) { name } }`;
    const { entries } = await entriesOf((headers) =>
      app.post('/graphql', { query, variables: { x: 'x' } }, headers),
    );
    expect(entries).toMatchObject([
      refused('restoreGroup', 'BAD_USER_INPUT', 6),
      refused('deleteGroup', 'BAD_USER_INPUT'),
      refused('deleteGroup', 'BAD_USER_INPUT', 5),
    ]);
  });

  test.each([21, 100, 10_000])(
    'of %d root fields as many have an audit event as are allowed',
    async (count) => {
      const query = `mutation { ${repeat(count, (i) => `a${i}: deleteGroup(id: ${i + 1}) { id }`)} }`;
      const begin = performance.now();
      const { entries } = await entriesOf((headers) => app.post('/graphql', { query }, headers));
      expect(entries).toMatchObject(
        Array.from({ length: 20 }, (_, i) => refused('deleteGroup', 'QUERY_TOO_COMPLEX', i + 1)),
      );
      expect(performance.now() - begin).toBeLessThan(5000);
    },
  );

  test('circular and doubled fragments are read once', async () => {
    const circle = `mutation { ...A } fragment A on Mutation { deleteGroup(id: 5) { id } ...B } fragment B on Mutation { ...A }`;
    const doubling = `mutation { ...F0 } ${repeat(60, (i) => `fragment F${i} on Mutation { ${i < 59 ? `...F${i + 1} ...F${i + 1}` : 'deleteGroup(id: "5") { id }'} }`)}`;
    for (const query of [circle, doubling]) {
      const { entries } = await entriesOf((headers) => app.post('/graphql', { query }, headers));
      expect(entries).toMatchObject([{ operation: 'deleteGroup', error_code: 'GRAPHQL_VALIDATION_FAILED' }]);
    }
  });
});

describe('the audit has no event for', () => {
  test.each([
    ['a query that is rejected', '/graphql', { query: '{ nothing }' }],
    ['a query of a text beyond the limit', '/graphql', { query: `{ ${'allGroups { id } '.repeat(500)} }` }],
    ['a mutation that there is not', '/graphql', { query: 'mutation { dropGroup(id: 5) { id } }' }],
    ['invalid GraphQL', '/graphql', { query: 'mutation { deleteGroup(id: 5) {' }],
    ['long invalid GraphQL', '/graphql', { query: `mutation { ${'( '.repeat(5000)}` }],
    ['a body without a text', '/graphql', { variables: { id: 5 } }],
    [
      'variables of 50,000 levels',
      '/graphql',
      `{"query":"{ a }","variables":{"g":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}}`,
    ],
    ['a query at its path', '/group', { idd: 5 }],
    ['a body that cannot be read', '/deleteGroup', '{"id":5'],
  ])('%s', async (_what, path, body) => {
    const { entries } = await entriesOf((headers) =>
      app.send(path, {
        method: 'POST',
        headers: { ...headers, 'Content-Type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    );
    expect(entries).toStrictEqual([]);
  });

  test('an unauthenticated caller', async () => {
    for (const body of ['{"id":5}', '{"id":"5"}', '{"id":5,"id":6}', '{"idd":5}']) {
      const { answer, entries } = await entriesOf((headers) =>
        app.send('/deleteGroup', {
          method: 'POST',
          headers: { ...headers, 'X-APIKEY': 'wrong', 'Content-Type': 'application/json' },
          body,
        }),
      );
      expect([answer.status, entries]).toStrictEqual([401, []]);
    }
  });
});

test('a mutation with variables of 50,000 levels has an audit event, with an Idempotency-Key too', async () => {
  const body = `{"query":"mutation($g: GroupEdit, $x: Int!){ createGroup(group: $g) { id } }","variables":{"g":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}}`;
  const { answer, entries } = await entriesOf((headers) =>
    app.send('/graphql', {
      method: 'POST',
      headers: { ...headers, 'Content-Type': 'application/json' },
      body,
    }),
  );
  expect(answer.status).toBeLessThan(500);
  expect(entries).toMatchObject([{ operation: 'createGroup', outcome: 'refused' }]);
});

test('a call without the required scope has one audit event, which names the scope', async () => {
  const { byKey } = await createTestAccount(app, { username: 'reader', scopes: ['groups:read'] });
  const { entries } = await entriesOf((headers) =>
    app.post('/deleteGroup', { id: 5 }, { ...headers, ...byKey }),
  );
  expect(entries).toMatchObject([{ account: 'reader', error_code: 'FORBIDDEN', target_ids: ['5'] }]);
});

test('a rejected call does not store its Idempotency-Key', async () => {
  const id = await app.createGroup();
  const headers = { 'Idempotency-Key': 'used once' };
  expect((await app.post('/deleteGroup', { id: String(id) }, headers)).status).toBe(400);
  const { status, headers: answered } = await app.post('/deleteGroup', { id }, headers);
  expect([status, answered.get('idempotency-replayed')]).toStrictEqual([200, null]);
});

describe('with ALLOWED_OPERATIONS_FILE', () => {
  let closed: TestApp;
  beforeAll(async () => {
    const file = join(await createTestFolder(), 'operations.json');
    const hash = createHash('sha256').update(deletion).digest('hex');
    await writeFile(file, JSON.stringify({ [hash]: deletion }));
    closed = await openTestApp({ ALLOWED_OPERATIONS_FILE: file });
  });
  afterAll(() => closed.close());
  const documentId = () => createHash('sha256').update(deletion).digest('hex');

  test.each([
    ['another text', '/graphql', { query: 'mutation { deleteGroup(id: 5) { name } }' }, ['5']],
    ['an unknown hash at a path', '/deleteGroup', { documentId: 'aa', variables: { id: 5 } }, ['5']],
    ['the short form', '/deleteGroup', { id: 5 }, ['5']],
  ])('%s has one audit event', async (_what, path, body, ids) => {
    const { entries } = await entriesOf((headers) => closed.post(path, body, headers), closed);
    expect(entries).toMatchObject([refused('deleteGroup', 'OPERATION_NOT_ALLOWED', ...ids)]);
  });

  test('a hash on the list has an audit event with its operation', async () => {
    const { entries } = await entriesOf(
      (headers) => closed.post('/graphql', { documentId: documentId(), variables: { id: '5' } }, headers),
      closed,
    );
    expect(entries).toMatchObject([refused('deleteGroup', 'BAD_USER_INPUT')]);
  });
});

test('removing a number group with a repeated id has one audit event', async () => {
  const _id = await addGroup();
  const requestId = nextRequestId();
  const answer = await app.send(`${groupsPath}/remove`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Request-Id': requestId },
    body: `{"_id":"${_id}","_\\u0069d":"${_id}"}`,
  });
  expect(answer.body).toMatchObject({ success: 0, message: "Field '_id':value must not be repeated" });
  expect(await auditOf(requestId)).toMatchObject([
    {
      operation: 'autodialer/groups/remove',
      outcome: 'refused',
      error_code: 'BAD_USER_INPUT',
      target_ids: [],
    },
  ]);
});
