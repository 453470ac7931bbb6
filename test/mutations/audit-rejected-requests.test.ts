import { describe, expect, test } from '@jest/globals';
import { createAutodialerClient, groupsPath } from '../support/autodialer.ts';
import { createProbes } from '../support/probes.ts';
import { createRejectionProbe, deletion, refused, repeat } from '../support/rejected-requests.ts';
import { createTestAccount } from '../support/test-accounts.ts';
import { useTestApp } from '../support/test-app.ts';

// Mutations that are rejected before their resolvers run: by GraphQL itself, by a limit, or by HTTP.
const app = useTestApp();
const { auditOf, nextRequestId } = createProbes(() => app);
const { addGroup } = createAutodialerClient(() => app);

const entriesOf = createRejectionProbe(() => app);

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
        query: `mutation ($ids: [Int!]!) { deleteGroups(ids: $ids) { subscribers(first: 200) { nodes { username startsAt } edges { cursor } } } }`,
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
      'the limit of characters, in a text',
      '/graphql',
      { query: `mutation { deleteGroup(id: 5, reason: "${'x'.repeat(70_000)}") { id } }` },
      refused('deleteGroup', 'QUERY_TOO_COMPLEX', 5),
    ],
    [
      'the limit of characters, in a comment',
      '/graphql',
      { query: `mutation { deleteGroup(id: 5) { id #${'x'.repeat(70_000)}\n name } }` },
      refused('deleteGroup', 'QUERY_TOO_COMPLEX', 5),
    ],
    [
      'the limit of lines',
      '/graphql',
      { query: `mutation { deleteGroup(id: 5) { id } ${'\n'.repeat(3000)} }` },
      refused('deleteGroup', 'QUERY_TOO_COMPLEX', 5),
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

test('a mutation with variables of 9,000 levels has an audit event, with an Idempotency-Key too', async () => {
  const body = `{"query":"mutation($g: GroupEdit, $x: Int!){ createGroup(group: $g) { id } }","variables":{"g":${'{"a":'.repeat(9000)}1${'}'.repeat(9000)}}}`;
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
