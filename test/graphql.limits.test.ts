import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { buildSchema, getIntrospectionQuery } from 'graphql';
import { createOperationMeter } from '../src/graphql/operation-size.ts';
import { requireScopes } from '../src/graphql/scopes.ts';
import { openTestApp, twelveFields, type Json, type TestApp } from './support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

const repeat = (count: number, write: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => write(index)).join(' ');
const unknownId = (index: number) => String(2_000_000_000 + index);
/** Ten levels of fields, and what is asked below them. */
const below = (fields: string) =>
  `{ group(id: 1) { ${'subscribers(first: 1) { nodes { group { '.repeat(3)} ${fields} ${'} } }'.repeat(3)} } }`;

describe('an operation is carried out at the limit, and refused beyond it with the limit and the value', () => {
  type Case = [limit: string, atLimit: string, beyond: string, maximum: number, value: number];
  const cases: Case[] = [
    [
      'tokens',
      `mutation { deleteGroups(ids: [${repeat(987, unknownId)}]) { id } }`,
      `mutation { deleteGroups(ids: [${repeat(988, unknownId)}]) { id } }`,
      1000,
      1001,
    ],
    ['depth', below('serviceGroup { id }'), below('subscribers(first: 1) { nodes { username } }'), 12, 13],
    [
      'aliases',
      `{ group(id: 1) { ${repeat(30, (i) => `a${i}: id`)} } }`,
      `{ group(id: 1) { ${repeat(31, (i) => `a${i}: id`)} } }`,
      30,
      31,
    ],
    [
      'rootFields',
      `{ ${repeat(20, (i) => `a${i}: __typename`)} }`,
      `{ ${repeat(21, (i) => `a${i}: __typename`)} }`,
      20,
      21,
    ],
    [
      'directives',
      `{ ${repeat(30, () => '__typename @include(if: true)')} }`,
      `{ ${repeat(31, () => '__typename @include(if: true)')} }`,
      30,
      31,
    ],
  ];
  test.each(cases)('%s', async (limit, atLimit, beyond, maximum, value) => {
    const taken = await app.graphql(atLimit);
    // There is no such group, and nothing else is wrong.
    expect((taken.body.errors ?? []).map(({ extensions }: Json) => extensions.code)).toStrictEqual(
      /group\(|ids/.test(atLimit) ? ['NOT_FOUND'] : [],
    );

    const refused = await app.post(
      '/graphql',
      { query: beyond },
      { Accept: 'application/graphql-response+json' },
    );
    expect(refused.status).toBe(400);
    expect(refused.body).toStrictEqual({
      errors: [
        {
          message: expect.stringMatching(
            new RegExp(`^The query has ${value} .*; ${maximum} are allowed\\. (Split|Ask)`),
          ),
          extensions: { code: 'QUERY_TOO_COMPLEX', limit, maximum, value },
        },
      ],
    });
  });
});

test('the cost is taken at the limit, and refused beyond it', async () => {
  const strict = await openTestApp({ MAX_QUERY_COST: 12 });
  expect((await strict.graphql('{ searchGroups(first: 10) { nodes { id } } }')).body.errors).toBeUndefined();
  expect((await strict.graphql('{ searchGroups(first: 11) { nodes { id } } }')).body).toStrictEqual({
    errors: [
      {
        message:
          'The query may answer 13 values; 12 are allowed. Ask for smaller pages by "first", or for fewer fields',
        extensions: { code: 'QUERY_TOO_COMPLEX', limit: 'cost', maximum: 12, value: 13 },
      },
    ],
  });
  await strict.close();
});

describe('the cost', () => {
  const costOf = async (query: string, variables = {}) => {
    const strict = await openStrict();
    const { body } = await strict.graphql(query, variables);
    return body.errors?.[0].extensions.value;
  };
  let strictApp: TestApp | undefined;
  const openStrict = async () => (strictApp ??= await openTestApp({ MAX_QUERY_COST: 1 }));
  afterAll(() => strictApp?.close());

  test.each([
    ['a list without pages', '{ allGroups { id } }', {}, 1 + 10_000],
    ['a page of the default size', '{ searchGroups { nodes { id } } }', {}, 1 + 1 + 50],
    [
      'a page of a size that is written',
      '{ searchGroups(first: 200) { nodes { id name } } }',
      {},
      1 + 1 + 200 * 2,
    ],
    [
      'a size in a variable',
      'query ($n: Int) { searchGroups(first: $n) { nodes { id } } }',
      { n: 7 },
      1 + 1 + 7,
    ],
    [
      "a variable's default",
      'query ($n: Int = 9) { searchGroups(first: $n) { nodes { id } } }',
      {},
      1 + 1 + 9,
    ],
    [
      'a variable that is left out',
      'query ($n: Int) { searchGroups(first: $n) { nodes { id } } }',
      {},
      1 + 1 + 50,
    ],
    ['a size below one', '{ searchGroups(first: -1000) { nodes { id } } }', {}, 1 + 1 + 1],
    ['a size that is refused later', '{ searchGroups(first: 2000000000) { nodes { id } } }', {}, 1 + 1 + 200],
    [
      'pages within pages',
      '{ searchGroups(first: 10) { nodes { subscribers(first: 20) { nodes { username } totalCount } } } }',
      {},
      1 + 1 + 10 * (1 + 1 + 1 + 20),
    ],
    [
      'edges',
      '{ searchGroups(first: 10) { edges { cursor node { id } } pageInfo { hasNextPage } } }',
      {},
      1 + 1 + 10 * (1 + 1 + 1) + 1 + 1,
    ],
    [
      'a field that is asked for twice, which is answered once',
      '{ searchGroups(first: 10) { nodes { id id ...F } nodes { id } } } fragment F on Group { id }',
      {},
      1 + 1 + 10,
    ],
    [
      "a null, which is no default of the variable's",
      'query ($n: Int = 1) { searchGroups(first: $n) { nodes { id } } }',
      { n: null },
      1 + 1 + 50,
    ],
    ['JSON', '{ auditEvents(first: 10) { nodes { before targetIds } } }', {}, 1 + 1 + 10 * (100 + 10)],
    [
      'an empty size',
      'query ($n: Int) { searchGroups(first: $n) { nodes { id } } }',
      { n: null },
      1 + 1 + 50,
    ],
  ])('counts %s', async (_what, query, variables, cost) => {
    expect(await costOf(query, variables)).toBe(cost);
  });
});

test('a limit is told at the path of an operation too, with its status', async () => {
  const query = `mutation { deleteGroup(id: 1) { ${repeat(31, (i) => `a${i}: id`)} } }`;
  const answer = await app.post('/deleteGroup', { query });
  expect([answer.status, answer.body.errors[0].extensions.limit]).toStrictEqual([400, 'aliases']);
});

test('the longest lists, and what explorers ask, are within the limits', async () => {
  const introspection = await app.graphql(
    getIntrospectionQuery({
      inputValueDeprecation: true,
      specifiedByUrl: true,
      directiveIsRepeatable: true,
      schemaDescription: true,
      oneOf: true,
    }),
  );
  expect(introspection.body.errors).toBeUndefined();
  const lists = ['allGroups', 'registrationGroups'].map(
    (name) => `{ ${name} { ${twelveFields} serviceGroup { id name } } }`,
  );
  for (const query of lists) expect((await app.graphql(query)).body.errors).toBeUndefined();
});

test('introspection that goes in circles is refused', async () => {
  const circle = (levels: number): string =>
    levels === 0 ? 'name' : `fields { type { ${circle(levels - 1)} } }`;
  const { body } = await app.graphql(`{ __schema { types { ${circle(6)} } } }`);
  expect(body.errors[0].extensions.code).toBe('GRAPHQL_VALIDATION_FAILED');
});

describe('INTROSPECTION=false', () => {
  let closed: TestApp;
  beforeAll(async () => {
    closed = await openTestApp({ INTROSPECTION: false });
  });
  afterAll(() => closed.close());

  test.each([
    '{ __schema { types { name } } }',
    '{ __type(name: "Group") { name } }',
    getIntrospectionQuery(),
  ])('hides the schema', async (query) => {
    const { body } = await closed.graphql(query);
    expect(body).not.toHaveProperty('data');
    expect(body.errors[0].extensions.code).toBe('GRAPHQL_VALIDATION_FAILED');
  });

  test('hides what suggestions would tell, and says which setting does so', async () => {
    const { body } = await closed.graphql('{ allGroup { id } }');
    expect(body.errors[0].message).not.toContain('allGroups');
    const refused = await closed.graphql('{ __schema { types { name } } }');
    expect(refused.body.errors[0].message).toBe('The setting INTROSPECTION keeps the schema to itself');
  });

  test('leaves __typename and operations alone', async () => {
    expect((await closed.graphql('{ __typename allGroups { __typename } }')).body.errors).toBeUndefined();
  });
});

test('suggestions are for accounts only', async () => {
  const body = JSON.stringify({ query: '{ allGroup { id } }' });
  const headers = { 'Content-Type': 'application/json' };
  const stranger = await fetch(`${app.httpUrl}/graphql`, { method: 'POST', headers, body });
  expect(await stranger.text()).not.toContain('allGroups');
  expect((await app.graphql('{ allGroup { id } }')).body.errors[0].message).toContain(
    'Did you mean "allGroups"',
  );
});

describe('a schema', () => {
  const directives = `directive @requiresScope(scope: String!) on FIELD_DEFINITION
    directive @listSize(assumedSize: Int!, slicingArguments: [String!], sizedFields: [String!]) on FIELD_DEFINITION`;

  test('with a root field without a scope stops the start, as does an unknown scope anywhere', () => {
    const schema = buildSchema(`${directives}
      type Query { a: Int @requiresScope(scope: "groups:read") b: Thing c: Int @requiresScope(scope: "groups:raed") }
      type Mutation { d: Int }
      type Thing { e: Int @requiresScope(scope: "everything") f: Int }`);
    expect(() => requireScopes(schema)).toThrow(
      /^schema\.graphql must give each of these fields @requiresScope with one of .*: Query\.b, Query\.c, Mutation\.d, Thing\.e$/,
    );
  });

  test('with a list without a size stops the start', () => {
    const schema = buildSchema(`${directives}
      type Query { things: [Thing!]! sized: [Thing] @listSize(assumedSize: 5) page: Page @listSize(assumedSize: 5, sizedFields: ["nodes"]) words: [String!] }
      type Page { nodes: [Thing] edges: [Thing] }
      type Thing { id: Int }`);
    expect(() => createOperationMeter(schema, 1)).toThrow(
      'schema.graphql must give these lists a @listSize: Query.things, Page.edges',
    );
  });
});
