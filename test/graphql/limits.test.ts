import { afterAll, describe, expect, test } from '@jest/globals';
import {
  buildSchema,
  getIntrospectionQuery,
  getNamedType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  type GraphQLInputType,
  type GraphQLObjectType,
} from 'graphql';
import { createCostCalculator } from '../../src/graphql/limits/operation-cost.ts';
import { createSchema } from '../../src/graphql/schema.ts';
import { declareScopes } from '../../src/graphql/scopes.ts';
import { openTestApp, twelveFields, useTestApp, type Json, type TestApp } from '../support/test-app.ts';

const app = useTestApp();

const repeat = (count: number, write: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => write(index)).join(' ');
const unknownId = (index: number) => String(2_000_000_000 + index);
/** The query that GraphiQL, Apollo Sandbox and code generators send, with everything that they may ask for. */
const introspectionQuery = getIntrospectionQuery({
  inputValueDeprecation: true,
  specifiedByUrl: true,
  directiveIsRepeatable: true,
  schemaDescription: true,
  oneOf: true,
});
/** Ten levels of fields, with a selection below them. */
const below = (fields: string) =>
  `{ group(id: 1) { ${'subscribers(first: 1) { nodes { group { '.repeat(3)} ${fields} ${'} } }'.repeat(3)} } }`;

describe('limits of an operation', () => {
  type Case = [limit: string, atLimit: string, beyond: string, maximum: number, value: number];
  const cases: Case[] = [
    [
      'tokens',
      `mutation { deleteGroups(ids: [${repeat(1000, unknownId)}]) { ${'id '.repeat(188)} } }`,
      `mutation { deleteGroups(ids: [${repeat(1000, unknownId)}]) { ${'id '.repeat(189)} } }`,
      1200,
      1201,
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
  test.each(cases)(
    'an operation is executed at the limit of %s, and rejected above it with the limit and the value',
    async (limit, atLimit, beyond, maximum, value) => {
      const taken = await app.graphql(atLimit);
      // The only error is that the group does not exist.
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
              new RegExp(`^The query has ${value} .*; ${maximum} are allowed\\. (Split|Fetch|Request)`),
            ),
            extensions: { code: 'QUERY_TOO_COMPLEX', limit, maximum, value },
          },
        ],
      });
    },
  );
});

describe('the text of a query', () => {
  test.each([
    ['characters', 64 * 1024, (size: number) => `{ __typename ${','.repeat(size - 14)}}`, 'Send long values'],
    ['lines', 2400, (size: number) => `{ __typename ${'\n'.repeat(size - 1)}}`, 'Remove empty lines'],
    ['lines', 2400, (size: number) => `{ __typename ${'\r\n'.repeat(size - 1)}}`, 'Remove empty lines'],
  ])(
    'an operation is executed at the limit of its %s, and rejected above it with the limit and the value',
    async (limit, maximum, write, advice) => {
      expect((await app.graphql(write(maximum))).body).toStrictEqual({ data: { __typename: 'Query' } });
      expect((await app.graphql(write(maximum + 1))).body).toStrictEqual({
        errors: [
          {
            message: expect.stringMatching(
              `^The query has ${maximum + 1} ${limit}; ${maximum} are allowed\\. ${advice}`,
            ),
            extensions: { code: 'QUERY_TOO_COMPLEX', limit, maximum, value: maximum + 1 },
          },
        ],
      });
    },
  );
});

test('the default of MAX_QUERY_COST accepts an operation at the limit, and rejects one above it', async () => {
  // An object costs one for each field, and a list one more.
  const lists = (count: number, fields: string) => repeat(count, (i) => `a${i}: allGroups { ${fields} }`);
  const atLimit = `{ ${lists(15, 'id name')} }`.replace('a0: allGroups { id name }', 'a0: allGroups { id }');
  expect((await app.graphql(atLimit)).body.errors).toBeUndefined();
  expect((await app.graphql(`{ ${lists(15, 'id name')} }`)).body.errors).toMatchObject([
    { extensions: { code: 'QUERY_TOO_COMPLEX', limit: 'cost', maximum: 300_000, value: 300_015 } },
  ]);
});

describe('documented maximums', () => {
  test('deleteGroups accepts 1,000 ids in the query text, with every field of the result', async () => {
    const [id, other] = [await app.createGroup(), await app.createGroup()];
    const fields = `${twelveFields} serviceGroup { id name } hidden protected version subscriberCount createdAt updatedAt __typename`;
    const text = (ids: readonly (number | string)[]) =>
      `mutation Delete($reason: String) { deleteGroups(ids: [${ids.join(', ')}], reason: $reason) { ${fields} } }`;
    const unknown = Array.from({ length: 998 }, (_, i) => unknownId(i));
    const answer = await app.graphql(text([id, other, ...unknown]), { reason: 'all of them' });
    expect(answer.body.errors[0].extensions.code).toBe('NOT_FOUND');
    const beyond = await app.graphql(text([id, other, ...unknown, unknownId(998)]));
    expect(beyond.body.errors[0]).toMatchObject({
      message: expect.stringContaining('1000'),
      extensions: { code: 'BAD_USER_INPUT', argument: 'ids' },
    });
    for (const path of ['/graphql', '/deleteGroups']) {
      const groups = [await app.createGroup(), await app.createGroup()];
      const { status, body } = await app.post(path, { query: text(groups) });
      expect([status, body.data.deleteGroups.map((group: Json) => group.id)]).toStrictEqual([200, groups]);
    }
  });

  test.each([
    'searchGroups(first: $first) { totalCount }',
    'deletedGroups(first: $first) { totalCount }',
    'auditEvents(first: $first) { totalCount }',
    'allGroups { subscribers(first: $first) { totalCount } }',
  ])('a page of 200 entries is accepted, and one of 201 or 0 is rejected: %s', async (field) => {
    await app.createGroup();
    const query = `query ($first: Int) { ${field} }`;
    for (const first of [1, 200]) expect((await app.graphql(query, { first })).body.errors).toBeUndefined();
    for (const first of [0, 201]) {
      expect((await app.graphql(query, { first })).body.errors[0].extensions).toStrictEqual({
        code: 'BAD_USER_INPUT',
        argument: 'first',
      });
    }
  });
});

describe('every operation of the schema with all fields, nested objects and __typename', () => {
  const schema = createSchema();
  const leaves = (type: GraphQLObjectType) =>
    Object.values(type.getFields()).filter(({ type: of }) => isLeafType(getNamedType(of)));
  const objects = (type: GraphQLObjectType) =>
    Object.values(type.getFields()).filter(({ type: of }) => isObjectType(getNamedType(of)));
  const write = (type: GraphQLObjectType, isNested = true): string =>
    [
      ...leaves(type).map(({ name }) => name),
      ...(isNested ? objects(type) : []).map(
        ({ name, type: of }) => `${name} { ${write(getNamedType(of) as GraphQLObjectType, false)} }`,
      ),
      '__typename',
    ].join(' ');
  const operations = [schema.getQueryType()!, schema.getMutationType()!].flatMap((root) =>
    Object.values(root.getFields()).map((field) => {
      const variables = field.args.map(({ name, type }) => `$${name}: ${String(type)}`).join(', ');
      const args = field.args.map(({ name }) => `${name}: $${name}`).join(', ');
      const wrap = (text: string) => (text === '' ? '' : `(${text})`);
      const selection = write(getNamedType(field.type) as GraphQLObjectType);
      const kind = root === schema.getQueryType() ? 'query' : 'mutation';
      const query = `${kind} ${field.name}${wrap(variables)} { ${field.name}${wrap(args)} { ${selection} } __typename }`;
      return [field, query] as const;
    }),
  );
  /** Required arguments only, with lists of the maximum length. */
  const valueOf = (type: GraphQLInputType): unknown => {
    if (isNonNullType(type)) return valueOf(type.ofType);
    if (isListType(type)) return Array.from({ length: 1000 }, (_, index) => Number(unknownId(index)));
    return getNamedType(type).name === 'Int' ? Number(unknownId(0)) : 'nobody';
  };

  test.each(operations.map(([field, query]) => [field.name, field, query] as const))(
    '%s with all fields is within the limits',
    async (name, field, query) => {
      const variables = Object.fromEntries(
        field.args
          .filter(({ type }) => isNonNullType(type))
          .map(({ name: key, type }) => [key, valueOf(type)]),
      );
      const { status, body } = await app.graphql(query, variables);
      // The operation was executed; most mutations find no row.
      expect([status, Object.keys(body.data)]).toStrictEqual([200, [name, '__typename']]);
      if (field.args.length === 0) expect(body.errors).toBeUndefined();
    },
  );
});

test('an operation is executed at the cost limit, and rejected above it', async () => {
  const strict = await openTestApp({ MAX_QUERY_COST: 12 });
  expect((await strict.graphql('{ searchGroups(first: 10) { nodes { id } } }')).body.errors).toBeUndefined();
  expect((await strict.graphql('{ searchGroups(first: 11) { nodes { id } } }')).body).toStrictEqual({
    errors: [
      {
        message:
          'The query may return 13 values; 12 are allowed. Request smaller pages with "first", or fewer fields',
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
    ['a page with a literal size', '{ searchGroups(first: 200) { nodes { id name } } }', {}, 1 + 1 + 200 * 2],
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
    ['an absent variable', 'query ($n: Int) { searchGroups(first: $n) { nodes { id } } }', {}, 1 + 1 + 50],
    [
      '__typename next to another field not at all',
      '{ __typename searchGroups(first: 10) { __typename nodes { __typename id serviceGroup { __typename id } } } }',
      {},
      1 + 1 + 10 * (1 + 1 + 1),
    ],
    [
      '__typename alone, of each object',
      '{ searchGroups(first: 10) { nodes { __typename } __typename } }',
      {},
      1 + 1 + 10,
    ],
    [
      '__typename alone in fragments, of each object',
      '{ searchGroups(first: 10) { nodes { ...F ... { __typename } } } } fragment F on Group { __typename }',
      {},
      1 + 1 + 10,
    ],
    [
      '__typename with an alias',
      '{ searchGroups(first: 10) { nodes { id a: __typename b: __typename __typename } } }',
      {},
      1 + 1 + 10 * 3,
    ],
    ['a size below one', '{ searchGroups(first: -1000) { nodes { id } } }', {}, 1 + 1 + 1],
    [
      'a size that is rejected later',
      '{ searchGroups(first: 2000000000) { nodes { id } } }',
      {},
      1 + 1 + 200,
    ],
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
      'a field that is selected twice and returned once',
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
      'a size of null',
      'query ($n: Int) { searchGroups(first: $n) { nodes { id } } }',
      { n: null },
      1 + 1 + 50,
    ],
  ])('the cost counts %s', async (_what, query, variables, cost) => {
    expect(await costOf(query, variables)).toBe(cost);
  });

  /** The number of values in a response: one for each field, and for each entry of a list of scalars. */
  const countValues = (data: Json): number =>
    Object.values(data)
      .map((value) => (Array.isArray(data) && value instanceof Object ? 0 : 1) + countBelow(value))
      .reduce((sum, count) => sum + count, 0);
  const countBelow = (value: Json) => (value instanceof Object ? countValues(value) : 0);

  test.each([
    ['of explorers', introspectionQuery],
    ['of types below fields', '{ __schema { types { fields { type { fields { name args { name } } } } } } }'],
    [
      'of lists of types',
      '{ __schema { types { interfaces { fields { name } } possibleTypes { name fields { name } } } } }',
    ],
    ['of directives', '{ __schema { directives { a: locations b: locations args { name } } } }'],
    ['of single types', '{ __schema { queryType { fields { name } } mutationType { fields { name } } } }'],
    ['of a type by its name', '{ __type(name: "Mutation") { fields { name args { name type { name } } } } }'],
    [
      'with aliases',
      '{ a: __schema { ...S } b: __schema { ...S } } fragment S on __Schema { c: types { name } d: types { enumValues { name } inputFields { name } } }',
    ],
  ])('the cost of introspection %s is at least the number of values in its response', async (_, query) => {
    const { body } = await app.graphql(query);
    expect(body.errors).toBeUndefined();
    expect(await costOf(query)).toBeGreaterThanOrEqual(countValues(body.data));
  });
});

test("an exceeded limit at an operation's path has its status", async () => {
  const query = `mutation { deleteGroup(id: 1) { ${repeat(31, (i) => `a${i}: id`)} } }`;
  const answer = await app.post('/deleteGroup', { query });
  expect([answer.status, answer.body.errors[0].extensions.limit]).toStrictEqual([400, 'aliases']);
});

test('the longest lists and the introspection of explorers are within the limits', async () => {
  for (const query of [introspectionQuery, getIntrospectionQuery()])
    expect((await app.graphql(query)).body.errors).toBeUndefined();
  const lists = ['allGroups', 'registrationGroups'].map(
    (name) => `{ ${name} { ${twelveFields} serviceGroup { id name } } }`,
  );
  for (const query of lists) expect((await app.graphql(query)).body.errors).toBeUndefined();
});

test.each([
  ['20 aliases of __schema', `{ ${repeat(20, (i) => `a${i}: __schema { types { ...FullType } }`)} }`],
  ['20 aliases of types', `{ __schema { ${repeat(20, (i) => `a${i}: types { ...FullType }`)} } }`],
  [
    '5 aliases of fields, below other fields',
    `{ __schema { types { fields { type { ${repeat(5, (i) => `a${i}: fields { type { ...TypeRef } args { ...InputValue } }`)} } } } } }`,
  ],
])('introspection with %s is rejected by its cost, and returns nothing', async (_, query) => {
  const fragments = introspectionQuery.slice(
    introspectionQuery.indexOf(query.includes('FullType') ? 'fragment FullType' : 'fragment InputValue'),
  );
  const { body } = await app.graphql(`${query} ${fragments}`);
  expect(body).toStrictEqual({
    errors: [
      expect.objectContaining({
        extensions: expect.objectContaining({ code: 'QUERY_TOO_COMPLEX', limit: 'cost' }),
      }),
    ],
  });
});

test('circular introspection is rejected', async () => {
  const circle = (levels: number): string =>
    levels === 0 ? 'name' : `fields { type { ${circle(levels - 1)} } }`;
  const { body } = await app.graphql(`{ __schema { types { ${circle(6)} } } }`);
  expect(body.errors[0].extensions.code).toBe('GRAPHQL_VALIDATION_FAILED');
});

describe('INTROSPECTION=false', () => {
  const closed = useTestApp({ INTROSPECTION: false });

  test.each([
    '{ __schema { types { name } } }',
    '{ __type(name: "Group") { name } }',
    getIntrospectionQuery(),
  ])('INTROSPECTION=false rejects introspection', async (query) => {
    const { body } = await closed.graphql(query);
    expect(body).not.toHaveProperty('data');
    expect(body.errors[0].extensions.code).toBe('GRAPHQL_VALIDATION_FAILED');
  });

  test('INTROSPECTION=false removes suggestions from errors, and names the setting', async () => {
    const { body } = await closed.graphql('{ allGroup { id } }');
    expect(body.errors[0].message).not.toContain('allGroups');
    const refused = await closed.graphql('{ __schema { types { name } } }');
    expect(refused.body.errors[0].message).toBe('Introspection is disabled (INTROSPECTION=false)');
  });

  test('INTROSPECTION=false accepts __typename and operations', async () => {
    expect((await closed.graphql('{ __typename allGroups { __typename } }')).body.errors).toBeUndefined();
  });
});

test('errors have suggestions for authenticated callers only', async () => {
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

  test('a schema with a root field without a scope, or with an unknown scope, stops the start', () => {
    const schema = buildSchema(`${directives}
      type Query { a: Int @requiresScope(scope: "groups:read") b: Thing c: Int @requiresScope(scope: "groups:raed") }
      type Mutation { d: Int }
      type Thing { e: Int @requiresScope(scope: "everything") f: Int }`);
    expect(() => declareScopes(schema)).toThrow(
      /^schema\.graphql must give each of these fields @requiresScope with one of .*: Query\.b, Query\.c, Mutation\.d, Thing\.e$/,
    );
  });

  test('a schema with a list without a size stops the start', () => {
    const schema = buildSchema(`${directives}
      type Query { things: [Thing!]! sized: [Thing] @listSize(assumedSize: 5) page: Page @listSize(assumedSize: 5, sizedFields: ["nodes"]) words: [String!] }
      type Page { nodes: [Thing] edges: [Thing] }
      type Thing { id: Int }`);
    expect(() => createCostCalculator(schema, 1)).toThrow(
      'schema.graphql must give these lists a @listSize: Query.things, Page.edges',
    );
  });
});
