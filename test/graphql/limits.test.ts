import { describe, expect, test } from '@jest/globals';
import {
  getIntrospectionQuery,
  getNamedType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  type GraphQLInputType,
  type GraphQLObjectType,
} from 'graphql';
import { createSchema } from '../../src/graphql/schema.ts';
import { introspectionQuery, repeat } from '../support/query-text.ts';
import { twelveFields, useTestApp, type Json } from '../support/test-app.ts';

const app = useTestApp();

const unknownId = (index: number) => String(2_000_000_000 + index);
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
