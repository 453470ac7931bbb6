import { describe, expect, test } from '@jest/globals';
import { getIntrospectionQuery } from 'graphql';
import { introspectionQuery, repeat } from '../support/query-text.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();

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
