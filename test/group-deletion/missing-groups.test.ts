import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTestAccount } from '../support/test-accounts.ts';
import { openTestApp, plainGroup, type TestApp } from '../support/test-app.ts';

// Errors about things that do not exist: what they name, and to whom.
let app: TestApp;
type Headers = Record<string, string>;
let reader: Headers;
let other: Headers;
beforeAll(async () => {
  app = await openTestApp();
  reader = (await createTestAccount(app, { username: 'reader', scopes: everyWrite.concat('groups:read') }))
    .byKey;
  other = (await createTestAccount(app, { username: 'other', scopes: everyWrite })).byKey;
});
afterAll(() => app.close());

const everyWrite = ['groups:write', 'groups:delete', 'subscribers:write'];
const never = 2_000_000_000;

const createDeletedGroup = async () => {
  const id = await app.createGroup();
  await app.post('/deleteGroup', { id });
  return id;
};

/** Each way to name a missing group, with the fields of the result that need no `groups:read`. */
const operations: [name: string, argument: string | undefined, call: (id: number, live: number) => string][] =
  [
    ['editGroup', undefined, (id) => `editGroup(id: ${id}, group: { name: "x" }) { id }`],
    ['deleteGroup', undefined, (id) => `deleteGroup(id: ${id}) { id }`],
    ['a dry run of deleteGroup', undefined, (id) => `deleteGroup(id: ${id}, dryRun: true) { id }`],
    [
      'deleteGroup with its target',
      'moveSubscribersTo',
      (id, live) => `deleteGroup(id: ${live}, moveSubscribersTo: ${id}) { id }`,
    ],
    ['subscribe', undefined, (id) => `subscribe(username: "mina", groupId: ${id}) { username }`],
    [
      'moveSubscribers with its source',
      'fromGroupId',
      (id, live) => `moveSubscribers(fromGroupId: ${id}, toGroupId: ${live}) { movedCount }`,
    ],
    [
      'moveSubscribers with its target',
      'toGroupId',
      (id, live) => `moveSubscribers(fromGroupId: ${live}, toGroupId: ${id}) { movedCount }`,
    ],
  ];

describe.each(operations)('%s', (_name, argument, call) => {
  const extensionsOf = (id: number) => ({ code: 'NOT_FOUND', id, ...(argument && { argument }) });
  const plain = (id: number) => (argument ? `Group not found: ${argument} is ${id}` : 'Group not found');
  const send = async (id: number, headers: Headers) => {
    const live = await app.createGroup();
    const { body } = await app.graphql(`mutation { ${call(id, live)} }`, {}, headers);
    return body.errors[0];
  };

  test('names a deleted group to accounts with groups:read, and how to restore it', async () => {
    const id = await createDeletedGroup();
    const [archived] = await app.sql<{ deleted_at: Date; purge_at: Date }>(
      'SELECT deleted_at, purge_at FROM deleted_groups WHERE id = $1',
      [id],
    );
    const subject = argument ? `group ${id} (${argument})` : `group ${id}`;
    const { message, extensions } = await send(id, reader);
    expect(message).toBe(
      `Group not found: ${subject} was deleted on ${archived!.deleted_at.toISOString()} by admin. ` +
        `restoreGroup restores it until ${archived!.purge_at.toISOString()}`,
    );
    expect(extensions).toStrictEqual(extensionsOf(id));
  });

  test('says nothing about the delete to accounts without groups:read', async () => {
    const id = await createDeletedGroup();
    expect(await send(id, other)).toMatchObject({ message: plain(id), extensions: extensionsOf(id) });
  });

  test('says nothing about a delete for an unknown id, or one whose archive has expired', async () => {
    const expired = await createDeletedGroup();
    await app.sql('UPDATE deleted_groups SET purge_at = now() WHERE id = $1', [expired]);
    for (const id of [never, expired])
      expect(await send(id, reader)).toMatchObject({ message: plain(id), extensions: extensionsOf(id) });
  });
});

test.each(['group', 'groupDeletionImpact'])(
  'the query %s names a deleted group, and an unknown one only by its id',
  async (name) => {
    const id = await createDeletedGroup();
    const deleted = await app.post(`/${name}`, { id }, reader);
    expect(deleted.body.errors[0]).toMatchObject({
      message: expect.stringMatching(
        `^Group not found: group ${id} was deleted on .+ by admin. restoreGroup `,
      ),
      extensions: { code: 'NOT_FOUND', id },
    });
    const unknown = await app.post(`/${name}`, { id: never }, reader);
    expect(unknown.body.errors[0]).toMatchObject({ message: 'Group not found', extensions: { id: never } });
  },
);

test('deleteGroups names each deleted group in its blockers, and only those to accounts with groups:read', async () => {
  const [first, second] = [await createDeletedGroup(), await createDeletedGroup()];
  const guarded = await app.createGroup({ protected: true });
  const ids = [first, guarded, second, never];
  const errorFor = async (headers: Headers) =>
    (await app.post('/deleteGroups', { ids }, headers)).body.errors[0];
  const blocker = (id: number, message: unknown) => ({ id, code: 'NOT_FOUND', message });
  const deleted = (id: number) =>
    expect.stringMatching(`^Group not found: group ${id} was deleted on .+ by admin`);
  const protection = { id: guarded, code: 'GROUP_PROTECTED', message: 'Cannot delete a protected group' };

  const explained = await errorFor(reader);
  expect(explained.message).toMatch(
    `4 of 4 groups cannot be deleted, so none was. Group ${first}: Group not found: group ${first} was deleted on `,
  );
  expect(explained.extensions).toStrictEqual({
    code: 'NOT_FOUND',
    blockers: [
      blocker(first, deleted(first)),
      protection,
      blocker(second, deleted(second)),
      blocker(never, 'Group not found'),
    ],
  });

  const plain = await errorFor(other);
  expect(plain.message).toBe(`4 of 4 groups cannot be deleted, so none was. Group ${first}: Group not found`);
  expect(plain.extensions.blockers).toStrictEqual([
    blocker(first, 'Group not found'),
    protection,
    blocker(second, 'Group not found'),
    blocker(never, 'Group not found'),
  ]);
});

test.each([
  [
    'deletedGroup',
    { id: never },
    'Deleted group not found: group 2000000000 is not in the archive. deletedGroups lists its groups',
    { id: never },
  ],
  [
    'restoreGroup',
    { id: never },
    'Deleted group not found: group 2000000000 is not in the archive. deletedGroups lists its groups',
    { id: never },
  ],
  [
    'purgeDeletedGroup',
    { id: never },
    'Deleted group not found: group 2000000000 is not in the archive. deletedGroups lists its groups',
    { id: never },
  ],
  [
    'serviceGroup',
    { id: never },
    'Service group not found: there is no service group 2000000000. serviceGroups lists them',
    { id: never },
  ],
  [
    'groups',
    { serviceGroupId: never },
    'Service group not found: there is no service group 2000000000. serviceGroups lists them',
    { id: never },
  ],
  [
    'deleteServiceGroup',
    { id: never },
    'Service group not found: there is no service group 2000000000. serviceGroups lists them',
    { id: never },
  ],
  [
    'removeUserSubscription',
    { username: 'zoe', groupId: 2 },
    'Subscriber not found: zoe is not on group 2',
    { username: 'zoe', groupId: 2 },
  ],
  [
    'removeUserSubscription',
    { username: 'zoe' },
    'Subscriber not found: zoe is on no group',
    { username: 'zoe' },
  ],
])('%s %j names what is missing', async (name, args, message, details) => {
  const { status, body } = await app.post(`/${name}`, args);
  expect(status).toBe(404);
  expect(body.errors[0]).toMatchObject({ message });
  expect(body.errors[0].extensions).toStrictEqual({ code: 'NOT_FOUND', ...details });
});

describe('errors that name the value', () => {
  test.each([
    ['deleteGroups', { ids: [1, 0, 2] }, 'ids[1]', 'Group id must be a positive integer: ids[1] is 0'],
    ['deleteGroups', { ids: [3, 1, 3] }, 'ids', 'ids must not contain duplicates: 3 is repeated'],
    ['deleteGroups', { ids: [] }, 'ids', 'ids must contain 1 to 1000 group ids, not 0'],
    [
      'deleteGroup',
      { id: 1, moveSubscribersTo: 0 },
      'moveSubscribersTo',
      'Group id must be a positive integer: moveSubscribersTo is 0',
    ],
    ['deleteGroup', { id: 0 }, 'id', 'Group id must be a positive integer'],
    ['searchGroups', { first: 201 }, 'first', 'first must be a whole number from 1 to 200, not 201'],
    [
      'auditEvents',
      { filter: { outcome: `\u0007${'x'.repeat(200)}` } },
      'filter.outcome',
      `filter.outcome must be one of done, refused, dry-run, replayed, not "${'x'.repeat(100)}…"`,
    ],
    [
      'createGroup',
      { group: { ...plainGroup, serviceGroupId: never } },
      'group.serviceGroupId',
      'There is no service group 2000000000. serviceGroups lists them',
    ],
  ])('%s %j is rejected, and the message names the value', async (name, args, argument, message) => {
    const { status, body } = await app.post(`/${name}`, args);
    expect([status, body.errors[0]]).toMatchObject([400, { message, extensions: { argument } }]);
  });

  test('a rejected move names both groups, and a rejected subscription its group', async () => {
    const [from, to] = [await app.createGroup(), await app.createGroup()];
    for (const groupId of [from, to]) await app.post('/subscribe', { username: 'both', groupId });
    const move = await app.post('/moveSubscribers', { fromGroupId: from, toGroupId: to });
    expect(move.body.errors[0].message).toBe(
      `1 of the usernames to move are active on both groups, ${from} and ${to}. ` +
        'End one of their two subscriptions with removeUserSubscription',
    );
    const again = await app.post('/subscribe', { username: 'both', groupId: to });
    expect(again.body.errors[0]).toMatchObject({
      message: `both is already active on group ${to}. removeUserSubscription ends that subscription`,
      extensions: { code: 'ALREADY_EXISTS', username: 'both', groupId: to },
    });
    const ambiguous = await app.post('/removeUserSubscription', { username: 'both' });
    expect(ambiguous.body.errors[0].message).toBe('both is on several groups: groupId is required');
  });

  test('VERSION_CONFLICT names both versions, and ALREADY_EXISTS the group that is not deleted', async () => {
    const id = await app.createGroup();
    const conflict = await app.post('/deleteGroup', { id, expectedVersion: 7 });
    expect(conflict.body.errors[0].message).toBe(
      `Group ${id} is at version 1, not at expectedVersion 7: read it again first`,
    );
    const restored = await app.post('/restoreGroup', { id });
    expect(restored.body.errors[0]).toMatchObject({
      message: `Group ${id} exists: it is not deleted`,
      extensions: { code: 'ALREADY_EXISTS', id },
    });
  });
});
