import { describe, expect, test } from '@jest/globals';
import { createRejectionProbe } from '../support/rejected-requests.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();
const entriesOf = createRejectionProbe(() => app);

describe('the audit has no event for', () => {
  test.each([
    ['a query that is rejected', '/graphql', { query: '{ nothing }' }],
    ['a query of a text beyond the limit', '/graphql', { query: `{ ${'allGroups { id } '.repeat(500)} }` }],
    ['a mutation that there is not', '/graphql', { query: 'mutation { dropGroup(id: 5) { id } }' }],
    ['invalid GraphQL', '/graphql', { query: 'mutation { deleteGroup(id: 5) {' }],
    ['long invalid GraphQL', '/graphql', { query: `mutation { ${'( '.repeat(5000)}` }],
    ['a body without a text', '/graphql', { variables: { id: 5 } }],
    [
      'a query with variables of 9,000 levels',
      '/graphql',
      `{"query":"{ a }","variables":{"g":${'{"a":'.repeat(9000)}1${'}'.repeat(9000)}}}`,
    ],
    [
      'a mutation in a body with too many values',
      '/deleteGroup',
      `{"id":5,"reason":[${'1,'.repeat(20_000)}1]}`,
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
