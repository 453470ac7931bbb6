import { describe, expect, test } from '@jest/globals';
import { createProbes, future, past } from '../support/probes.ts';
import { createRetirements } from '../support/retirements.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { useTestApp } from '../support/test-app.ts';
import { createTestDatabase } from '../support/test-database.ts';

// What a retired group rejects, and the rejections of a retirement.

const app = useTestApp({}, () => createTestDatabase({ settings: { timezone: 'Asia/Tehran' } }));
const { auditOf, codeOf, nextRequestId, readState, subscribe } = createProbes(() => app);
const { retire, cancel, createRetired } = createRetirements(() => app);

describe('a retired group accepts no subscribers', () => {
  test('subscribe is rejected with GROUP_RETIRED, which names the group, the date and the next step', async () => {
    const id = await createRetired();
    const before = await readState();
    const { status, body } = await subscribe(id, 'late');
    expect([status, body.errors[0].message, body.errors[0].extensions]).toMatchObject([
      409,
      `Group ${id} is retired as of ${future} and accepts no new subscribers. Choose another group, or call cancelRetirement first`,
      { code: 'GROUP_RETIRED', id, retiresAt: future, argument: 'groupId' },
    ]);
    expect(await readState()).toStrictEqual(before);
  });

  test('subscribers are not moved to it by moveSubscribers or a delete, but away from it', async () => {
    const id = await createRetired();
    const source = await app.createGroup();
    await subscribe(source, 'ali');
    const before = await readState();
    const answers = [
      await app.post('/moveSubscribers', { fromGroupId: source, toGroupId: id }),
      await app.post('/deleteGroup', { id: source, moveSubscribersTo: id }),
    ];
    expect(
      answers.map(({ status, body }) => [
        status,
        body.errors[0].extensions.code,
        body.errors[0].extensions.argument,
      ]),
    ).toStrictEqual([
      [409, 'GROUP_RETIRED', 'toGroupId'],
      [409, 'GROUP_RETIRED', 'moveSubscribersTo'],
    ]);
    expect(await readState()).toStrictEqual(before);
    await retire(source);
    const target = await app.createGroup();
    const moved = await app.post('/moveSubscribers', { fromGroupId: source, toGroupId: target });
    expect(moved.body.data.moveSubscribers).toMatchObject({ movedCount: 1 });
  });

  test('a subscription that waits for a concurrent retirement is rejected; a retirement waits for a concurrent subscription', async () => {
    const [id, other] = [await app.createGroup(), await app.createGroup()];
    const second = await openSecondConnection(app);
    try {
      // As retireGroup does.
      await second.lockGroup(id);
      await second.query(
        `UPDATE groups SET retires_at = '2100-01-01Z', retirement = '{}', version = 2 WHERE id = $1`,
        [id],
      );
      const subscribing = subscribe(id, 'late');
      await second.waitForBlocked();
      await second.query('COMMIT');
      expect(codeOf(await subscribing)).toBe('GROUP_RETIRED');

      await second.query('BEGIN');
      await second.query('SELECT FROM groups WHERE id = $1 FOR KEY SHARE', [other]);
      await second.query(`INSERT INTO subscribers (group_id, username) VALUES ($1, 'early')`, [other]);
      const retiring = retire(other);
      await second.waitForBlocked();
      await second.query('COMMIT');
      expect((await retiring).body.data.retireGroup).toMatchObject({ isRetired: true, subscriberCount: 1 });
    } finally {
      await second.close();
    }
  });
});

const rejections: [string, string, () => Promise<object>, object][] = [
  [
    'of an unknown group',
    'NOT_FOUND',
    async () => ({ id: 2_000_000_000 }),
    { message: 'Group not found', id: 2_000_000_000 },
  ],
  [
    'of a protected group',
    'GROUP_PROTECTED',
    async () => ({ id: await app.createGroup({ protected: true }) }),
    { message: 'Cannot delete a protected group' },
  ],
  [
    'at another version than expectedVersion',
    'VERSION_CONFLICT',
    async () => ({ id: await app.createGroup(), expectedVersion: 7 }),
    { version: 1 },
  ],
  [
    'with an unknown target',
    'NOT_FOUND',
    async () => ({ id: await app.createGroup(), moveSubscribersTo: 2_000_000_000 }),
    { argument: 'moveSubscribersTo', id: 2_000_000_000 },
  ],
  [
    'with a target that is retired',
    'GROUP_RETIRED',
    async () => ({ id: await app.createGroup(), moveSubscribersTo: await createRetired() }),
    { argument: 'moveSubscribersTo', retiresAt: future },
  ],
  [
    'with itself as the target',
    'BAD_USER_INPUT',
    async () => ({ id: 1, moveSubscribersTo: 1 }),
    { argument: 'moveSubscribersTo' },
  ],
  [
    'with a date in the past',
    'BAD_USER_INPUT',
    async () => ({ id: await app.createGroup(), at: past }),
    {
      message: expect.stringMatching(/^at must not be in the past: 2020-01-01T00:00:00\.000Z is before 20/),
      argument: 'at',
    },
  ],
  [
    'with a reason that is too long',
    'BAD_USER_INPUT',
    async () => ({ id: 1, reason: 'x'.repeat(501) }),
    { argument: 'reason' },
  ],
];

test.each(rejections)(
  'retireGroup %s is rejected with %s, and audited; nothing changes',
  async (_case, code, write, expected) => {
    const args = await write();
    const before = await readState();
    const requestId = nextRequestId();
    const { body } = await app.post('/retireGroup', { at: future, ...args }, { 'X-Request-Id': requestId });
    const { message, extensions } = body.errors[0];
    expect({ message, ...extensions }).toMatchObject({ code, ...expected });
    expect(await auditOf(requestId)).toMatchObject([{ outcome: 'refused', error_code: code }]);
    expect(await readState()).toStrictEqual(before);
  },
);

test('cancelRetirement of a group that is not retired is rejected with NOT_FOUND; nothing changes', async () => {
  const id = await app.createGroup();
  const before = await readState();
  const { status, body } = await cancel(id);
  expect([status, body.errors[0].message]).toStrictEqual([
    404,
    `Retirement not found: group ${id} is not retired`,
  ]);
  expect(codeOf(await cancel(2_000_000_000))).toBe('NOT_FOUND');
  expect(await readState()).toStrictEqual(before);
});

test('editGroup changes a retired group, but does not show it: GROUP_RETIRED', async () => {
  const id = await createRetired();
  const edited = await app.post('/editGroup', { id, group: { price: '5', protected: true, hidden: true } });
  expect(edited.body.data.editGroup).toMatchObject({ price: '5.00', isRetired: true, retiresAt: future });
  const before = await readState();
  const { status, body } = await app.post('/editGroup', { id, group: { hidden: false, price: '6' } });
  expect([status, body.errors[0].extensions]).toMatchObject([
    409,
    { code: 'GROUP_RETIRED', id, argument: 'group.hidden' },
  ]);
  expect(await readState()).toStrictEqual(before);
});
