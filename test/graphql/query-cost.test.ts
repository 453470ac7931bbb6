import { afterAll, describe, expect, test } from '@jest/globals';
import { introspectionQuery, repeat } from '../support/query-text.ts';
import { openTestApp, useTestApp, type Json, type TestApp } from '../support/test-app.ts';

const app = useTestApp();

test('the default of MAX_QUERY_COST accepts an operation at the limit, and rejects one above it', async () => {
  // An object costs one for each field, and a list one more.
  const lists = (count: number, fields: string) => repeat(count, (i) => `a${i}: allGroups { ${fields} }`);
  const tooMuch = `{ ${lists(10, 'id name tagName duration price')} }`;
  const atLimit = tooMuch.replace('a0: allGroups { id ', 'a0: allGroups { ');
  expect((await app.graphql(atLimit)).body.errors).toBeUndefined();
  expect((await app.graphql(tooMuch)).body.errors).toMatchObject([
    { extensions: { code: 'QUERY_TOO_COMPLEX', limit: 'cost', maximum: 500_000, value: 500_010 } },
  ]);
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
