import { describe, expect, test } from '@jest/globals';
import { createProbes, past, future } from '../support/probes.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();

const { codeOf, subscribe, subscribersOf, groupRow, archiveRow, nextRequestId, auditOf, readState } =
  createProbes(() => app);

describe('an active subscription blocks a delete', () => {
  test.each([
    ['running, without an end', {}],
    ['running until later', { startsAt: past, expiresAt: future }],
    ['pending', { startsAt: future }],
  ])('a subscription that is %s blocks the delete', async (_what, dates) => {
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

  test('expired subscriptions do not block a delete; they move to the history, and those of other groups stay', async () => {
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

describe('deleteGroup', () => {
  test('a delete stores an archive row and one audit event, with the row before it', async () => {
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

  test('a delete with expectedVersion is executed at that version only', async () => {
    const id = await app.createGroup();
    await app.post('/editGroup', { id, group: { name: 'New' } });
    const refused = await app.post('/deleteGroup', { id, expectedVersion: 1 });
    expect(refused.status).toBe(409);
    expect(refused.body.errors[0].extensions).toStrictEqual({ code: 'VERSION_CONFLICT', version: 2 });
    expect(await groupRow(id)).toHaveLength(1);
    expect((await app.post('/deleteGroup', { id, expectedVersion: 2 })).status).toBe(200);
  });

  test('a delete checks in the order: exists, protected, version, subscribers', async () => {
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
  ])('a delete rejects the arguments %j', async (args, argument) => {
    const answer = await app.post('/deleteGroup', { id: 1, ...args });
    expect(answer.body.errors[0].extensions).toStrictEqual({ code: 'BAD_USER_INPUT', argument });
  });

  test('of a concurrent delete and subscription exactly one is rejected', async () => {
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

test('a delete succeeds while the group is continuously edited', async () => {
  const id = await app.createGroup();
  let isOver = false;
  const editing = Array.from({ length: 4 }, async () => {
    while (!isOver) isOver ||= (await app.post('/editGroup', { id, group: { duration: 1 } })).status !== 200;
  });
  expect((await app.post('/deleteGroup', { id })).status).toBe(200);
  await Promise.all(editing);
});

describe('dryRun', () => {
  test('a dry run returns the response of the delete, and changes nothing but adds an audit event', async () => {
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
    // Except the count, which the loader reads afterwards.
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
  ])('a dry run returns the error of the delete: %s', async (code, prepare) => {
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

  test('groupDeletionImpact counts subscribers, and returns the blockers', async () => {
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

  test('groupDeletionImpact returns canDelete without blockers, and NOT_FOUND for a missing group', async () => {
    const id = await app.createGroup();
    expect((await app.graphql(query, { id })).body.data.groupDeletionImpact).toMatchObject({
      canDelete: true,
      blockers: [],
    });
    expect(codeOf(await app.post('/groupDeletionImpact', { id: 2_000_000_000 }))).toBe('NOT_FOUND');
  });
});
