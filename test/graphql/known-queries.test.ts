import { beforeAll, describe, expect, test } from '@jest/globals';
import { createKnownQueries } from '../../src/graphql/known-queries.ts';
import { createTestAccount } from '../support/test-accounts.ts';
import { twelveFields, useTestApp, type Json } from '../support/test-app.ts';

// A query is parsed, validated and measured once; each test sends one more than once.
const app = useTestApp({ MAX_QUERY_COST: 500 });
let groupId: number;
beforeAll(async () => {
  groupId = await app.createGroup();
});

const mutation = `mutation ($id: Int!) { deleteGroup(id: $id) { ${twelveFields} } }`;
const json = { Accept: 'application/json' };

/** A response, without the ids and times that differ between two requests. */
const comparable = ({ status, headers, body }: { status: number; headers: Headers; body: Json }) => {
  const named = [...headers].filter(([name]) => !['date', 'x-request-id'].includes(name));
  return { status, headers: Object.fromEntries(named), body };
};

type Case = [what: string, body: object, headers?: Record<string, string>];

describe('a request that is repeated gets the same response', () => {
  test.each<Case>([
    ['a query', { query: '{ searchGroups(first: 5) { nodes { id name } } }' }],
    [
      'a query with an extension of its client',
      { query: '{ searchGroups(first: 5) { nodes { id } } }', extensions: { client: {} } },
    ],
    [
      'a query with a name',
      { query: 'query one { searchGroups(first: 5) { nodes { id } } }', operationName: 'one' },
    ],
    [
      'an unknown operation name',
      { query: 'query one { searchGroups(first: 5) { nodes { id } } }', operationName: 'other' },
    ],
    [
      'an unknown operation name as JSON',
      { query: 'query one { searchGroups(first: 5) { nodes { id } } }', operationName: 'two' },
      json,
    ],
    ['a syntax error', { query: '{ searchGroups(first: 5) { nodes { id } }' }],
    ['an unknown field', { query: '{ searchGroups(first: 5) { nodes { nothing } } }' }],
    ['a missing group', { query: mutation, variables: { id: 2_000_000_000 } }],
    ['a variable of a wrong type', { query: mutation, variables: { id: 'one' } }],
    ['a missing variable', { query: mutation }],
    ['variables of a wrong type', { query: mutation, variables: [1] }],
    ['an operation name of a wrong type', { query: mutation, variables: { id: 1 }, operationName: 1 }],
    [
      'extensions of a wrong type',
      { query: '{ searchGroups(first: 5) { nodes { id } } }', extensions: 'none' },
    ],
    ['the hash of a query', { query: '{ __typename }', extensions: { persistedQuery: { version: 1 } } }],
    ['an unreadable response', { query: mutation, variables: { id: 1 } }, { Accept: 'text/plain' }],
  ])('%s', async (...[, body, headers]) => {
    const first = comparable(await app.post('/graphql', body, headers));
    expect(comparable(await app.post('/graphql', body, headers))).toStrictEqual(first);
    // Whatever came before: the same variables with a query that has not been sent yet.
    const { query } = body as { query: string };
    const unknown = comparable(await app.post('/graphql', { ...body, query: `${query} # ` }, headers));
    expect({ ...unknown, body: withoutPositions(unknown.body) }).toStrictEqual({
      ...first,
      headers: { ...first.headers, 'content-length': unknown.headers['content-length'] },
      body: withoutPositions(first.body),
    });
  });

  const withoutPositions = (body: Json) =>
    body.errors
      ? { ...body, errors: body.errors.map((error: Json) => ({ ...error, locations: undefined })) }
      : body;
});

test('a list whose length is a variable is measured at each request', async () => {
  const query = 'query ($first: Int) { searchGroups(first: $first) { nodes { id name price } } }';
  for (const [first, status] of [
    [10, 200],
    [200, 400],
    [10, 200],
    [199, 400],
  ] as const) {
    const response = await app.graphql(query, { first });
    expect(response.status).toBe(status);
    if (status === 400) expect(response.body.errors[0].extensions.limit).toBe('cost');
  }
});

test('of a document with two operations, each is measured', async () => {
  const query = `query small { searchGroups(first: 5) { nodes { id } } } query large { searchGroups(first: 200) { nodes { id name price } } }`;
  for (let run = 0; run < 2; run++) {
    expect((await app.post('/graphql', { query, operationName: 'small' })).status).toBe(200);
    const { body } = await app.post('/graphql', { query, operationName: 'large' });
    expect(body.errors[0].extensions.code).toBe('QUERY_TOO_COMPLEX');
  }
});

test('POST /<operation> rejects a query of another root field that /graphql has executed', async () => {
  const query = 'query ($id: Int!) { group(id: $id) { id } }';
  const body = { query, variables: { id: groupId } };
  for (let run = 0; run < 2; run++) expect((await app.post('/graphql', body)).status).toBe(200);
  for (let run = 0; run < 2; run++) {
    expect((await app.post('/group', body)).status).toBe(200);
    const { status, body: rejected } = await app.post('/deleteGroup', body);
    expect([status, rejected.errors[0].extensions.argument]).toStrictEqual([400, 'query']);
  }
  const [row] = await app.sql<{ count: number }>('SELECT count(*)::int AS count FROM groups');
  expect(row).toStrictEqual({ count: 1 });
});

test('the scopes of each account are checked, also if another account has sent the query before', async () => {
  const reader = await createTestAccount(app, { username: 'reader', scopes: ['groups:read'] });
  const nested = '{ searchGroups(first: 5) { nodes { id subscribers(first: 1) { nodes { username } } } } }';
  const variables = { id: 2_000_000_000 };
  for (let run = 0; run < 2; run++) {
    expect((await app.graphql(nested)).body.errors).toBe(undefined);
    const rejectedQuery = await app.graphql(nested, {}, reader.byKey);
    expect(rejectedQuery.body.errors[0].extensions.requiredScope).toBe('subscribers:read');
    expect((await app.graphql(mutation, variables)).body.errors[0].extensions.code).toBe('NOT_FOUND');
    const rejected = await app.graphql(mutation, variables, reader.byKey);
    expect(rejected.body.errors[0].extensions.requiredScope).toBe('groups:delete');
  }
});

test('the pages of subscribers that a mutation returns follow the variables of each request', async () => {
  const query = `mutation ($id: Int!, $first: Int!) {
    editGroup(id: $id, group: { duration: 31 }) { subscriberCount subscribers(first: $first) { nodes { username } } } }`;
  for (const username of ['ali', 'sara'])
    await app.post('/subscribe', { username, groupId, startsAt: '2026-01-01T00:00:00Z' });
  for (const first of [1, 2, 1]) {
    const { body } = await app.graphql(query, { id: groupId, first });
    expect(body.data.editGroup.subscribers.nodes).toHaveLength(first);
  }
  const { body } = await app.graphql(query, { id: groupId, first: 0 });
  expect(body.errors[0].extensions.code).toBe('BAD_USER_INPUT');
});

test('of 25,000 short queries only the last ones are stored, so that they do not fill the memory', () => {
  const queries = createKnownQueries();
  const known = { rootField: undefined, hasShortResult: true };
  for (let index = 0; index < 25_000; index++) queries.set(`{ a${index}: __typename }`, known);
  expect(queries.get('{ a0: __typename }')).toBeUndefined();
  expect(queries.get('{ a24999: __typename }')).toBe(known);
});
