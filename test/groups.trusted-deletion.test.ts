import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openTestApp, type Answer, type TestApp } from './support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

const past = '2020-01-01T00:00:00.000Z';
const future = '2100-01-01T00:00:00.000Z';
const codeOf = ({ body }: Answer) => body.errors?.[0].extensions.code;
const subscribe = (
  groupId: number,
  username: string,
  dates: { startsAt?: string; expiresAt?: string } = {},
) => app.post('/subscribe', { groupId, username, ...dates });
const subscribersOf = (groupId: number) =>
  app.sql('SELECT username, starts_at, expires_at FROM subscribers WHERE group_id = $1 ORDER BY username', [
    groupId,
  ]);
const groupRow = (id: number) => app.sql('SELECT * FROM groups WHERE id = $1', [id]);
const archiveRow = (id: number) => app.sql('SELECT * FROM deleted_groups WHERE id = $1', [id]);
const auditOf = (requestId: string) =>
  app.sql(
    'SELECT operation, outcome, error_code, target_ids, reason, before, after FROM audit_events WHERE request_id = $1 ORDER BY id',
    [requestId],
  );
/** All that a refused call must leave as it was. */
const readState = () =>
  app.sql(`SELECT 'group' AS what, id::text, to_jsonb(groups) AS row FROM groups
    UNION ALL SELECT 'subscriber', username || group_id, to_jsonb(subscribers) FROM subscribers
    UNION ALL SELECT 'history', id::text, to_jsonb(subscriber_history) FROM subscriber_history
    UNION ALL SELECT 'archive', id::text, to_jsonb(deleted_groups) FROM deleted_groups
    UNION ALL SELECT 'key', key, to_jsonb(idempotency_keys) FROM idempotency_keys ORDER BY 1, 2`);
let requestNumber = 0;
const nextRequestId = () => `test-${++requestNumber}`;

describe('active subscribers block a delete', () => {
  test.each([
    ['running, without an end', {}],
    ['running until later', { startsAt: past, expiresAt: future }],
    ['pending', { startsAt: future }],
  ])('one that is %s', async (_what, dates) => {
    const id = await app.createGroup();
    expect((await subscribe(id, 'mina', dates)).status).toBe(200);
    const before = await readState();
    const requestId = nextRequestId();

    const answer = await app.post(
      '/deleteGroup',
      { id, reason: 'no longer sold' },
      { 'X-Request-Id': requestId },
    );

    expect(answer.status).toBe(409);
    expect(answer.body.errors[0]).toMatchObject({
      message: 'Cannot delete group with active subscribers',
      extensions: { code: 'HAS_ACTIVE_SUBSCRIBERS', subscriberCount: 1 },
    });
    expect(await readState()).toStrictEqual(before);
    expect(await auditOf(requestId)).toMatchObject([
      {
        operation: 'deleteGroup',
        outcome: 'refused',
        error_code: 'HAS_ACTIVE_SUBSCRIBERS',
        target_ids: [String(id)],
        reason: 'no longer sold',
      },
    ]);
  });

  test('those that have ended do not: they become history, and nobody else does', async () => {
    const [id, other] = [await app.createGroup(), await app.createGroup()];
    for (const group of [id, other])
      await subscribe(group, 'gone', { startsAt: past, expiresAt: '2021-01-01T00:00:00Z' });
    const historyOf = (group: number) =>
      app.sql('SELECT * FROM subscriber_history WHERE group_id = $1', [group]);

    expect((await app.post('/deleteGroup', { id })).status).toBe(200);

    expect(await subscribersOf(id)).toStrictEqual([]);
    expect(await historyOf(id)).toMatchObject([{ username: 'gone', starts_at: new Date(past) }]);
    expect(await subscribersOf(other)).toHaveLength(1);
    expect(await historyOf(other)).toStrictEqual([]);
  });
});

describe('a delete', () => {
  test('leaves its archive row and one audit entry, with the row as it was', async () => {
    const id = await app.createGroup({ name: 'Gold', price: '123456789012.3457' });
    const [row] = await app.sql<{ row: object }>(
      'SELECT group_row(groups) AS row FROM groups WHERE id = $1',
      [id],
    );
    const requestId = nextRequestId();

    const answer = await app.post('/deleteGroup', { id, reason: ' spring ' }, { 'X-Request-Id': requestId });

    expect(answer.status).toBe(200);
    const [archived] = await archiveRow(id);
    expect(archived).toMatchObject({
      id,
      group_row: row!.row,
      deleted_by: 'admin',
      reason: 'spring',
      subscribers_moved: 0,
    });
    const days = (Number(archived!['purge_at']) - Number(archived!['deleted_at'])) / 86_400_000;
    expect(days).toBe(30);
    expect(await auditOf(requestId)).toStrictEqual([
      {
        operation: 'deleteGroup',
        outcome: 'done',
        error_code: null,
        target_ids: [String(id)],
        reason: 'spring',
        before: row!.row,
        after: null,
      },
    ]);
  });

  test('with expectedVersion is done only at that version', async () => {
    const id = await app.createGroup();
    await app.post('/editGroup', { id, group: { name: 'New' } });
    const refused = await app.post('/deleteGroup', { id, expectedVersion: 1 });
    expect(refused.status).toBe(409);
    expect(refused.body.errors[0].extensions).toStrictEqual({ code: 'VERSION_CONFLICT', version: 2 });
    expect(await groupRow(id)).toHaveLength(1);
    expect((await app.post('/deleteGroup', { id, expectedVersion: 2 })).status).toBe(200);
  });

  test('checks in the order: exists, protected, version, subscribers', async () => {
    const id = await app.createGroup({ protected: true });
    await subscribe(id, 'mina');
    const attempt = async () => codeOf(await app.post('/deleteGroup', { id, expectedVersion: 7 }));
    expect(codeOf(await app.post('/deleteGroup', { id: 2_000_000_000, expectedVersion: 7 }))).toBe(
      'NOT_FOUND',
    );
    expect(await attempt()).toBe('GROUP_PROTECTED');
    await app.post('/editGroup', { id, group: { protected: false } });
    expect(await attempt()).toBe('VERSION_CONFLICT');
    expect(codeOf(await app.post('/deleteGroup', { id, expectedVersion: 2 }))).toBe('HAS_ACTIVE_SUBSCRIBERS');
  });

  test.each([
    [{ expectedVersion: 0 }, 'expectedVersion'],
    [{ moveSubscribersTo: 0 }, 'moveSubscribersTo'],
    [{ moveSubscribersTo: 1 }, 'moveSubscribersTo'],
    [{ reason: 'r'.repeat(501) }, 'reason'],
    [{ reason: 'a\u0000b' }, 'reason'],
  ])('refuses %j', async (args, argument) => {
    const answer = await app.post('/deleteGroup', { id: 1, ...args });
    expect(answer.body.errors[0].extensions).toStrictEqual({ code: 'BAD_USER_INPUT', argument });
  });

  test('of a subscriber who arrives at the same moment, either the delete or the subscription is refused', async () => {
    for (let round = 0; round < 30; round++) {
      const id = await app.createGroup();
      const [deleted, subscribed] = await Promise.all([
        app.post('/deleteGroup', { id }),
        subscribe(id, 'racer'),
      ]);
      const codes = [codeOf(deleted), codeOf(subscribed)];
      expect([
        ['HAS_ACTIVE_SUBSCRIBERS', undefined],
        [undefined, 'NOT_FOUND'],
      ]).toContainEqual(codes);
      expect(await groupRow(id)).toHaveLength(codes[0] ? 1 : 0);
    }
  });
});

describe('moveSubscribersTo', () => {
  test('moves the active ones with their dates, keeps the ended ones as history, and says how many', async () => {
    const [id, target] = [await app.createGroup(), await app.createGroup()];
    await subscribe(id, 'a', { startsAt: past, expiresAt: future });
    await subscribe(id, 'b', { startsAt: future });
    await subscribe(id, 'c', { startsAt: past, expiresAt: '2021-01-01T00:00:00Z' });
    await subscribe(target, 'd');
    // Ended there, so that it may come back.
    await subscribe(target, 'a', { startsAt: past, expiresAt: '2020-06-01T00:00:00Z' });
    const movers = (await subscribersOf(id)).filter(({ username }) => username !== 'c');
    const requestId = nextRequestId();

    const answer = await app.post(
      '/deleteGroup',
      { id, moveSubscribersTo: target },
      { 'X-Request-Id': requestId },
    );

    expect(answer.status).toBe(200);
    expect(answer.body.data.deleteGroup.id).toBe(id);
    expect((await subscribersOf(target)).filter(({ username }) => username !== 'd')).toStrictEqual(movers);
    expect(await subscribersOf(id)).toStrictEqual([]);
    expect(await archiveRow(id)).toMatchObject([{ subscribers_moved: 2 }]);
    expect(await auditOf(requestId)).toMatchObject([
      {
        outcome: 'done',
        target_ids: [String(id), String(target)],
        after: { moveSubscribersTo: target, subscribersMoved: 2 },
      },
    ]);
    const history = await app.sql(
      'SELECT group_id, username FROM subscriber_history WHERE group_id IN ($1, $2) ORDER BY 2',
      [id, target],
    );
    expect(history).toStrictEqual([
      { group_id: target, username: 'a' },
      { group_id: id, username: 'c' },
    ]);
  });

  test.each([
    ['to nobody, where there are none', false],
    ['somebody', true],
  ])('needs a target that exists, also to move %s', async (_what, isSubscribed) => {
    const id = await app.createGroup();
    if (isSubscribed) await subscribe(id, 'a');
    const before = await readState();
    const answer = await app.post('/deleteGroup', { id, moveSubscribersTo: 2_000_000_000 });
    expect(answer.status).toBe(404);
    expect(answer.body.errors[0].extensions).toStrictEqual({
      code: 'NOT_FOUND',
      argument: 'moveSubscribersTo',
    });
    expect(await readState()).toStrictEqual(before);
  });

  test('refuses where usernames are active on both, names them, and moves nobody', async () => {
    const [id, target] = [await app.createGroup(), await app.createGroup()];
    for (const username of ['a', 'b', 'c']) await subscribe(id, username);
    for (const username of ['b', 'c']) await subscribe(target, username);
    const before = await readState();
    const answer = await app.post('/deleteGroup', { id, moveSubscribersTo: target });
    expect(answer.status).toBe(409);
    expect(answer.body.errors[0].extensions).toStrictEqual({
      code: 'ALREADY_EXISTS',
      count: 2,
      usernames: ['b', 'c'],
    });
    expect(await readState()).toStrictEqual(before);
  });

  test('two groups that are moved into each other at the same moment: nobody is lost', async () => {
    const [one, other] = [await app.createGroup(), await app.createGroup()];
    await subscribe(one, 'a');
    await subscribe(other, 'b');
    const answers = await Promise.all([
      app.post('/deleteGroup', { id: one, moveSubscribersTo: other }),
      app.post('/deleteGroup', { id: other, moveSubscribersTo: one }),
    ]);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toStrictEqual([200, 404]);
    const rows = await app.sql('SELECT username FROM subscribers WHERE group_id IN ($1, $2) ORDER BY 1', [
      one,
      other,
    ]);
    expect(rows).toStrictEqual([{ username: 'a' }, { username: 'b' }]);
  });
});

test('a delete gets through while the group is edited without pause', async () => {
  const id = await app.createGroup();
  let isOver = false;
  const editing = Array.from({ length: 4 }, async () => {
    while (!isOver) isOver ||= (await app.post('/editGroup', { id, group: { duration: 1 } })).status !== 200;
  });
  expect((await app.post('/deleteGroup', { id })).status).toBe(200);
  await Promise.all(editing);
});

describe('dryRun', () => {
  test('answers as the delete would, and leaves nothing but an audit entry', async () => {
    const [id, target] = [await app.createGroup(), await app.createGroup()];
    await subscribe(id, 'a');
    await subscribe(id, 'b', { startsAt: past, expiresAt: '2021-01-01T00:00:00Z' });
    const before = await readState();
    const requestId = nextRequestId();
    const args = { id, moveSubscribersTo: target, dryRun: true };

    const dry = await app.post('/deleteGroup', args, { 'X-Request-Id': requestId, 'Idempotency-Key': 'dry' });

    expect(await readState()).toStrictEqual(before);
    expect(await auditOf(requestId)).toMatchObject([
      { outcome: 'dry-run', error_code: null, target_ids: [String(id), String(target)], before: { id } },
    ]);
    const real = await app.post('/deleteGroup', { ...args, dryRun: false });
    // Apart from the count, which the loader reads afterwards.
    const { subscriberCount: _, ...would } = dry.body.data.deleteGroup;
    expect(real.body.data.deleteGroup).toMatchObject(would);
  });

  test.each([
    ['NOT_FOUND', async () => 2_000_000_000],
    ['GROUP_PROTECTED', () => app.createGroup({ protected: true })],
    [
      'HAS_ACTIVE_SUBSCRIBERS',
      async () => {
        const id = await app.createGroup();
        await subscribe(id, 'a');
        return id;
      },
    ],
  ])('fails as the delete would: %s', async (code, prepare) => {
    const id = await prepare();
    const requestId = nextRequestId();
    const dry = await app.post('/deleteGroup', { id, dryRun: true }, { 'X-Request-Id': requestId });
    const real = await app.post('/deleteGroup', { id });
    expect(codeOf(dry)).toBe(code);
    expect(dry.body.errors[0].extensions).toStrictEqual(real.body.errors[0].extensions);
    expect(dry.body.errors[0].message).toBe(real.body.errors[0].message);
    expect(await auditOf(requestId)).toMatchObject([{ outcome: 'dry-run', error_code: code }]);
  });
});

describe('groupDeletionImpact', () => {
  const query =
    'query ($id: Int!) { groupDeletionImpact(id: $id) { group { id } activeSubscribers pendingSubscribers endedSubscribers canDelete blockers { code message } } }';

  test('counts who is there, and names what stands in the way', async () => {
    const id = await app.createGroup({ protected: true });
    await subscribe(id, 'a');
    await subscribe(id, 'b', { startsAt: future });
    await subscribe(id, 'c', { startsAt: past, expiresAt: '2021-01-01T00:00:00Z' });
    expect((await app.graphql(query, { id })).body.data.groupDeletionImpact).toStrictEqual({
      group: { id },
      activeSubscribers: 2,
      pendingSubscribers: 1,
      endedSubscribers: 1,
      canDelete: false,
      blockers: [
        { code: 'GROUP_PROTECTED', message: 'Cannot delete a protected group' },
        { code: 'HAS_ACTIVE_SUBSCRIBERS', message: 'Cannot delete group with active subscribers' },
      ],
    });
  });

  test('says that nothing does, and NOT_FOUND as the delete would', async () => {
    const id = await app.createGroup();
    expect((await app.graphql(query, { id })).body.data.groupDeletionImpact).toMatchObject({
      canDelete: true,
      blockers: [],
    });
    expect(codeOf(await app.post('/groupDeletionImpact', { id: 2_000_000_000 }))).toBe('NOT_FOUND');
  });
});

describe('deleteGroups', () => {
  test('deletes all, in the order of the ids, with one audit entry for the call', async () => {
    const ids = [
      await app.createGroup({ name: 'x' }),
      await app.createGroup({ name: 'y' }),
      await app.createGroup({ name: 'z' }),
    ].toReversed();
    const requestId = nextRequestId();
    const answer = await app.post(
      '/deleteGroups',
      { ids, reason: 'cleaning' },
      { 'X-Request-Id': requestId },
    );
    expect(answer.status).toBe(200);
    expect(answer.body.data.deleteGroups.map((group: any) => [group.id, group.name])).toStrictEqual(
      ids.map((id, i) => [id, 'zyx'[i]]),
    );
    expect(await app.sql('SELECT id FROM groups WHERE id = ANY ($1)', [ids])).toStrictEqual([]);
    expect(await app.sql('SELECT reason FROM deleted_groups WHERE id = ANY ($1)', [ids])).toStrictEqual(
      ids.map(() => ({ reason: 'cleaning' })),
    );
    expect(await auditOf(requestId)).toMatchObject([
      { outcome: 'done', target_ids: ids.map(String), before: ids.map((id) => ({ id })) },
    ]);
  });

  test('deletes none where one cannot be, and names every blocker', async () => {
    const [fine, guarded] = [await app.createGroup(), await app.createGroup({ protected: true })];
    const busy = await app.createGroup();
    await subscribe(busy, 'a');
    const before = await readState();
    const answer = await app.post('/deleteGroups', { ids: [fine, guarded, busy, 2_000_000_000] });
    expect(answer.status).toBe(409);
    expect(answer.body.errors[0].extensions).toStrictEqual({
      code: 'GROUP_PROTECTED',
      blockers: [
        { id: guarded, code: 'GROUP_PROTECTED', message: 'Cannot delete a protected group' },
        {
          id: busy,
          code: 'HAS_ACTIVE_SUBSCRIBERS',
          message: 'Cannot delete group with active subscribers',
          subscriberCount: 1,
        },
        { id: 2_000_000_000, code: 'NOT_FOUND', message: 'Group not found' },
      ],
    });
    expect(await readState()).toStrictEqual(before);
  });

  test('a dry run leaves all of them', async () => {
    const ids = [await app.createGroup(), await app.createGroup()];
    const before = await readState();
    expect((await app.post('/deleteGroups', { ids, dryRun: true })).body.data.deleteGroups).toHaveLength(2);
    expect(await readState()).toStrictEqual(before);
  });

  test('takes 1,000 ids', async () => {
    const rows = await app.sql<{ id: number }>(
      `INSERT INTO groups (name, tag_name, duration, price) SELECT 'g', 't', 1, 1 FROM generate_series(1, 1000) RETURNING id`,
    );
    const ids = rows.map(({ id }) => id);
    expect((await app.post('/deleteGroups', { ids })).body.data.deleteGroups).toHaveLength(1000);
  });

  test.each([[[]], [[1, 1]], [[0]], [[1, null]], [Array.from({ length: 1001 }, (_, i) => i + 1)], [null]])(
    'refuses ids %#',
    async (ids) => {
      const answer = await app.post('/deleteGroups', { ids });
      expect(answer.body.errors[0].extensions).toMatchObject({
        code: 'BAD_USER_INPUT',
        argument: expect.stringMatching(/^ids/),
      });
    },
  );
});

describe('restoreGroup', () => {
  test('brings back the same id and the very row, and takes it out of the archive', async () => {
    const id = await app.createGroup({ name: 'Gold', price: '123456789012.3457', ip: '2001:db8::/32' });
    await app.post('/editGroup', { id, group: { hidden: true } });
    const before = await groupRow(id);
    await app.post('/deleteGroup', { id });
    const requestId = nextRequestId();

    const answer = await app.post('/restoreGroup', { id }, { 'X-Request-Id': requestId });

    expect(answer.body.data.restoreGroup).toMatchObject({
      id,
      name: 'Gold',
      price: '123456789012.3457',
      version: 2,
      hidden: true,
    });
    expect(await groupRow(id)).toStrictEqual(before);
    expect(await archiveRow(id)).toStrictEqual([]);
    expect(await auditOf(requestId)).toMatchObject([
      { operation: 'restoreGroup', outcome: 'done', target_ids: [String(id)], after: { id } },
    ]);
    expect(await app.createGroup()).toBeGreaterThan(id);
  });

  test('refuses a group that exists, one that never did, and one that was purged', async () => {
    const id = await app.createGroup();
    expect(codeOf(await app.post('/restoreGroup', { id }))).toBe('ALREADY_EXISTS');
    expect(codeOf(await app.post('/restoreGroup', { id: 2_000_000_000 }))).toBe('NOT_FOUND');
    await app.post('/deleteGroup', { id });
    const purged = await app.post('/purgeDeletedGroup', { id });
    expect(purged.body.data.purgeDeletedGroup).toMatchObject({ id, deletedBy: 'admin', subscribersMoved: 0 });
    expect(codeOf(await app.post('/restoreGroup', { id }))).toBe('NOT_FOUND');
    expect(codeOf(await app.post('/purgeDeletedGroup', { id }))).toBe('NOT_FOUND');
  });

  test('comes back without a service group that has been deleted too', async () => {
    const serviceGroupId = (await app.post('/createServiceGroup', { serviceGroup: { name: 's' } })).body.data
      .createServiceGroup.id;
    const id = await app.createGroup({ serviceGroupId });
    await app.post('/deleteGroup', { id });
    await app.post('/deleteServiceGroup', { id: serviceGroupId });
    const answer = await app.graphql(
      'mutation ($id: Int!) { restoreGroup(id: $id) { id serviceGroup { id } } }',
      { id },
    );
    expect(answer.body.data.restoreGroup).toStrictEqual({ id, serviceGroup: null });
  });

  test('of ten at once, one brings it back', async () => {
    const id = await app.createGroup();
    await app.post('/deleteGroup', { id });
    const answers = await Promise.all(Array.from({ length: 10 }, () => app.post('/restoreGroup', { id })));
    expect(answers.map(codeOf).filter((code) => code === undefined)).toHaveLength(1);
    expect(answers.map(codeOf).filter((code) => code === 'ALREADY_EXISTS')).toHaveLength(9);
  });
});

test('what has had its time is gone, also before the purge comes by', async () => {
  const id = await app.createGroup();
  await app.post('/deleteGroup', { id });
  await app.sql('UPDATE deleted_groups SET purge_at = now() WHERE id = $1', [id]);
  expect(codeOf(await app.post('/deletedGroup', { id }))).toBe('NOT_FOUND');
  expect(codeOf(await app.post('/restoreGroup', { id }))).toBe('NOT_FOUND');
  await app.sql(`UPDATE deleted_groups SET purge_at = now() + interval '1 day' WHERE id = $1`, [id]);
});

test('deletedGroups has the pages of the archive, the latest first', async () => {
  const ids: number[] = [];
  for (let i = 0; i < 5; i++) {
    const id = await app.createGroup();
    await app.post('/deleteGroup', { id });
    ids.unshift(id);
  }
  const query =
    'query ($after: String) { deletedGroups(first: 2, after: $after) { nodes { id group { name } } pageInfo { endCursor hasNextPage } totalCount } }';
  const first = (await app.graphql(query)).body.data.deletedGroups;
  const second = (await app.graphql(query, { after: first.pageInfo.endCursor })).body.data.deletedGroups;
  expect([...first.nodes, ...second.nodes].map(({ id }) => id)).toStrictEqual(ids.slice(0, 4));
  expect(first.totalCount).toBe((await app.sql('SELECT FROM deleted_groups')).length);
  expect((await app.post('/deletedGroup', { id: ids[0] })).body.data.deletedGroup).toMatchObject({
    id: ids[0],
    deletedBy: 'admin',
  });
  expect(codeOf(await app.post('/deletedGroup', { id: 2_000_000_000 }))).toBe('NOT_FOUND');
});
