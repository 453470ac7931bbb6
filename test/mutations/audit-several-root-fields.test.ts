import { describe, expect, test } from '@jest/globals';
import { createRejectionProbe, refused, repeat } from '../support/rejected-requests.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();
const entriesOf = createRejectionProbe(() => app);

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
