import { beforeAll, describe, expect, test } from '@jest/globals';
import { createProbes } from '../support/probes.ts';
import { createTestAccount } from '../support/test-accounts.ts';
import { useTestApp } from '../support/test-app.ts';

// A field that is selected several times is merged into one field with all selections: each of them requires its scope.
const app = useTestApp();
let limited: Record<string, string>;
let reader: Record<string, string>;
const { readState, groupRow, auditOf, nextRequestId } = createProbes(() => app);
beforeAll(async () => {
  await app.createGroup();
  const scopes = ['groups:read', 'groups:write', 'groups:delete', 'subscribers:write'];
  ({ byKey: limited } = await createTestAccount(app, { username: 'limited', scopes }));
  ({ byKey: reader } = await createTestAccount(app, {
    username: 'reader',
    scopes: [...scopes, 'subscribers:read'],
  }));
});

const forbidden = (path: string[]) => [
  expect.objectContaining({ path, extensions: { code: 'FORBIDDEN', requiredScope: 'subscribers:read' } }),
];

describe('without subscribers:read, a query is rejected whose second selection needs it', () => {
  test.each([
    ['the same field twice', '{ allGroups { id } allGroups { subscribers { totalCount } } }'],
    ['in the other order', '{ allGroups { subscribers { totalCount } } allGroups { id } }'],
    ['three times', '{ allGroups { id } allGroups { name } allGroups { id subscribers { totalCount } } }'],
    ['in an inline fragment', '{ allGroups { id } ... { allGroups { subscribers { totalCount } } } }'],
    [
      'in a fragment',
      '{ allGroups { id } ...F } fragment F on Query { allGroups { subscribers { totalCount } } }',
    ],
    [
      'in fragments of fragments',
      '{ allGroups { id } ...F } fragment F on Query { ... on Query { ...G } } fragment G on Query { allGroups { ...H } } fragment H on Group { subscribers { totalCount } }',
    ],
    [
      'with the name of the field as its alias',
      '{ allGroups { id } allGroups: allGroups { s: subscribers { totalCount } } }',
    ],
    ['with @include', '{ allGroups { id } allGroups @include(if: true) { subscribers { totalCount } } }'],
    ['twice below', '{ allGroups { subscribers { __typename } id subscribers { totalCount } } }'],
  ])('%s', async (_what, query) => {
    const { body } = await app.graphql(query, {}, limited);
    expect(body).toStrictEqual({ errors: forbidden(['allGroups']), data: { allGroups: null } });
    expect((await app.graphql(query, {}, reader)).body.errors).toBeUndefined();
  });

  test('a field under one alias is rejected; the same field under another alias is returned', async () => {
    const query =
      '{ one: allGroups { id } two: allGroups { id } two: allGroups { subscribers { totalCount } } }';
    const { body } = await app.graphql(query, {}, limited);
    expect(body.errors).toStrictEqual(forbidden(['two']));
    expect([body.data.two, Array.isArray(body.data.one)]).toStrictEqual([null, true]);
  });
});

describe('without subscribers:read, a mutation is rejected and changes nothing', () => {
  test.each([
    [
      'the mutation twice',
      'mutation { deleteGroup(id: ID) { id } deleteGroup(id: ID) { subscribers { totalCount } } }',
      'deleteGroup',
    ],
    [
      'the mutation twice, through a fragment',
      'mutation { deleteGroup(id: ID) { id } ...F } fragment F on Mutation { deleteGroup(id: ID) { subscribers { totalCount } } }',
      'deleteGroup',
    ],
    [
      'under an alias',
      'mutation { gone: deleteGroup(id: ID) { id } gone: deleteGroup(id: ID) { ... on Group { subscribers { totalCount } } } }',
      'gone',
    ],
    [
      'a field of the result twice',
      'mutation { moveSubscribers(fromGroupId: ID, toGroupId: OTHER) { to { id } to { ...F } } } fragment F on Group { subscribers { totalCount } }',
      'moveSubscribers',
    ],
  ])('%s', async (_what, text, name) => {
    const [id, other] = [await app.createGroup(), await app.createGroup()];
    const query = text.replaceAll('ID', String(id)).replaceAll('OTHER', String(other));
    const before = await readState();
    const requestId = nextRequestId();
    const { body } = await app.graphql(query, {}, { ...limited, 'X-Request-Id': requestId });
    expect(body).toStrictEqual({ errors: forbidden([name]), data: { [name]: null } });
    expect(await readState()).toStrictEqual(before);
    expect(await auditOf(requestId)).toMatchObject([{ outcome: 'refused', error_code: 'FORBIDDEN' }]);

    expect((await app.graphql(query, {}, reader)).body.errors).toBeUndefined();
    expect(await groupRow(id)).toHaveLength(name === 'moveSubscribers' ? 1 : 0);
  });
});
