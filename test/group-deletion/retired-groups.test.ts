import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createProbes, future } from '../support/probes.ts';
import { createRetirements } from '../support/retirements.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { openTestApp, useTestApp, type TestApp } from '../support/test-app.ts';
import { createTestDatabase } from '../support/test-database.ts';
import { waitUntil } from '../support/wait-until.ts';

// Two servers delete the retired groups of one database, whose time zone is not that of the process.

let otherServer: TestApp;
// Before the server that drops the database.
afterAll(() => otherServer.close());
const app = useTestApp({}, () => createTestDatabase({ settings: { timezone: 'Asia/Tehran' } }));
beforeAll(async () => {
  otherServer = await openTestApp({}, { ...app, drop: async () => undefined });
});

const { groupRow, subscribe, subscribersOf } = createProbes(() => app);
const { deletesOf, problemOf } = createRetirements(() => app);

const retire = async (id: number, args: object = {}, headers = {}): Promise<void> => {
  const { status, body } = await app.post('/retireGroup', { id, ...args }, headers);
  expect([status, body.errors]).toStrictEqual([200, undefined]);
};
const edit = (id: number, group: object) => app.post('/editGroup', { id, group });
const exists = async (id: number) => (await groupRow(id)).length === 1;
const waitForDelete = (id: number) => waitUntil(async () => !(await exists(id)));

/**
 * Returns after a server has examined the groups that are due now, and has completed their deletes: a group with
 * subscribers to move comes after all others of its batch, and after those with an earlier date.
 */
async function waitForExamination(): Promise<void> {
  const [id, target] = [await app.createGroup({ name: 'examined last' }), await app.createGroup()];
  await subscribe(id, 'moved');
  await retire(id, { moveSubscribersTo: target });
  await waitForDelete(id);
}

test('of more groups than a batch has, two servers delete each one once', async () => {
  await app.sql(
    `INSERT INTO groups (name, tag_name, duration, price, hidden, retires_at, retirement)
     SELECT 'bulk', 'bulk', 1, 1, true, now(), jsonb_build_object('retired_by', 'bulk', 'request_id', 'bulk', 'reason', NULL,
       'move_subscribers_to', NULL, 'was_hidden', false) FROM generate_series(1, 250)`,
  );
  await waitUntil(async () => (await app.sql(`SELECT FROM groups WHERE name = 'bulk'`)).length === 0);
  const events = await app.sql(
    `SELECT count(*)::int, count(DISTINCT target_ids)::int AS distinct, array_agg(DISTINCT outcome) AS outcomes
     FROM audit_events WHERE request_id = 'bulk'`,
  );
  expect(events).toStrictEqual([{ count: 250, distinct: 250, outcomes: ['done'] }]);
});

test('a retired group is deleted when its last subscription has expired, which moves to the history', async () => {
  const id = await app.createGroup();
  await subscribe(id, 'ali', { expiresAt: future });
  await retire(id);
  await waitForExamination();
  expect([await exists(id), await deletesOf(id)]).toStrictEqual([true, []]);
  await app.sql('UPDATE subscribers SET expires_at = now() WHERE group_id = $1', [id]);
  await waitForDelete(id);
  const history = await app.sql('SELECT username FROM subscriber_history WHERE group_id = $1', [id]);
  expect(history).toStrictEqual([{ username: 'ali' }]);
});

test('a retired group stays while it has a subscriber that does not expire, and is deleted after its removal', async () => {
  const id = await app.createGroup();
  await subscribe(id, 'ali');
  await subscribe(id, 'mina', { expiresAt: future });
  await retire(id);
  await waitForExamination();
  await app.post('/removeUserSubscription', { username: 'ali', groupId: id });
  await waitForExamination();
  expect([await exists(id), await deletesOf(id)]).toStrictEqual([true, []]);
  await app.post('/removeUserSubscription', { username: 'mina', groupId: id });
  await waitForDelete(id);
});

test('at its date, the subscribers that are left are moved to the target, and can be moved back', async () => {
  const [id, target] = [await app.createGroup(), await app.createGroup()];
  await subscribe(id, 'ali');
  await subscribe(id, 'mina', { expiresAt: future });
  const before = await subscribersOf(id);
  await retire(id, { moveSubscribersTo: target });

  await waitForDelete(id);

  expect(await subscribersOf(target)).toStrictEqual(before);
  expect(await deletesOf(id)).toMatchObject([
    {
      target_ids: [String(id), String(target)],
      outcome: 'done',
      after: { moveSubscribersTo: target, subscribersMoved: 2 },
    },
  ]);
  const restored = await app.post('/restoreGroup', { id, moveSubscribersBack: true });
  expect(restored.body.data.restoreGroup).toMatchObject({ subscriberCount: 2, isRetired: false });
  await waitForExamination();
  expect(await exists(id)).toBe(true);
});

test('a group that is protected after its retirement stays until it is unprotected', async () => {
  const id = await app.createGroup();
  await retire(id, { at: future });
  await edit(id, { protected: true });
  await app.sql('UPDATE groups SET retires_at = now() WHERE id = $1', [id]);
  await waitForExamination();
  expect([await exists(id), await deletesOf(id)]).toStrictEqual([true, []]);
  await edit(id, { protected: false });
  await waitForDelete(id);
});

test('a retirement that is cancelled deletes nothing', async () => {
  const id = await app.createGroup();
  await subscribe(id, 'ali');
  await retire(id);
  await app.post('/cancelRetirement', { id });
  await app.post('/removeUserSubscription', { username: 'ali', groupId: id });
  await waitForExamination();
  expect([await exists(id), await deletesOf(id)]).toStrictEqual([true, []]);
});

const failures: [string, string, RegExp, (target: number) => Promise<unknown>][] = [
  [
    'was deleted',
    'NOT_FOUND',
    /^Group not found: moveSubscribersTo is \d+$/,
    (target) => app.post('/deleteGroup', { id: target }),
  ],
  ['is retired', 'GROUP_RETIRED', /^Group \d+ is retired as of /, (target) => retire(target, { at: future })],
  [
    'has a subscriber of the same name',
    'ALREADY_EXISTS',
    /^1 of the usernames to move are active on both groups/,
    (target) => subscribe(target, 'ali'),
  ],
];

test.each(failures)(
  'a move to a target that %s fails once with %s, and is retried after a minute, or at once with another target',
  async (_case, code, message, spoil) => {
    const [id, target, other] = [await app.createGroup(), await app.createGroup(), await app.createGroup()];
    await subscribe(id, 'ali');
    await retire(id, { moveSubscribersTo: target, at: future });
    await spoil(target);
    await app.sql('UPDATE groups SET retires_at = now() WHERE id = $1', [id]);

    await waitUntil(async () => (await deletesOf(id)).length > 0);
    await waitForExamination();

    expect(await deletesOf(id)).toMatchObject([
      { account: 'admin', outcome: 'refused', error_code: code, target_ids: [String(id), String(target)] },
    ]);
    const problem = await problemOf(id);
    expect(problem).toMatchObject({ code, message: expect.stringMatching(message), attempts: 1 });
    expect(Date.parse(problem.retryAt)).toBeGreaterThan(Date.now());
    expect((await subscribersOf(id)).length).toBe(1);

    // As after the minute.
    await app.sql(
      `UPDATE groups SET retirement = jsonb_set(retirement, '{problem,retry_at}', to_jsonb(now())) WHERE id = $1`,
      [id],
    );
    await waitUntil(async () => (await deletesOf(id)).length > 1);
    expect(await problemOf(id)).toMatchObject({ code, attempts: 2 });

    await retire(id, { moveSubscribersTo: other });
    await waitForDelete(id);
    expect((await subscribersOf(other)).length).toBe(1);
  },
);

test('a group whose target is gone is deleted once its own subscribers have ended', async () => {
  const [id, target] = [await app.createGroup(), await app.createGroup()];
  await retire(id, { moveSubscribersTo: target, at: future });
  await app.post('/deleteGroup', { id: target });
  await app.sql('UPDATE groups SET retires_at = now() WHERE id = $1', [id]);
  await waitForDelete(id);
  expect(await deletesOf(id)).toMatchObject([{ outcome: 'done', target_ids: [String(id)] }]);
});

test('a due group is deleted although more groups wait before it than a server examines at a time', async () => {
  await app.sql(
    `INSERT INTO groups (name, tag_name, duration, price, protected, retires_at, retirement)
     SELECT 'waiting', 'waiting', 1, 1, true, '2020-01-01Z', '{}' FROM generate_series(1, 2500)`,
  );
  const id = await app.createGroup();
  await retire(id);
  await waitForDelete(id);
  expect(await app.sql(`SELECT count(*)::int FROM groups WHERE name = 'waiting'`)).toStrictEqual([
    { count: 2500 },
  ]);
  await app.sql(`DELETE FROM groups WHERE name = 'waiting'`);
});

test('a due group is deleted although more groups before it are locked than a batch has; those are deleted after that', async () => {
  await app.sql(
    `WITH locked AS (
       INSERT INTO groups (name, tag_name, duration, price, retires_at, retirement)
       SELECT 'locked', 'locked', 1, 1, '2020-01-01Z', '{"retired_by": "x", "request_id": "x"}' FROM generate_series(1, 150)
       RETURNING id
     )
     INSERT INTO subscribers (group_id, username) SELECT id, 'ali' FROM locked`,
  );
  const count = async () => (await app.sql(`SELECT FROM groups WHERE name = 'locked'`)).length;
  const second = await openSecondConnection(app);
  try {
    await second.query('BEGIN');
    await second.query(`SELECT FROM groups WHERE name = 'locked' FOR UPDATE`);
    await app.sql(
      `UPDATE subscribers SET starts_at = '2020-01-01Z', expires_at = '2020-01-02Z'
       WHERE group_id IN (SELECT id FROM groups WHERE name = 'locked')`,
    );
    const id = await app.createGroup();
    await retire(id);
    await waitForDelete(id);
    expect(await count()).toBe(150);
  } finally {
    await second.close();
  }
  await waitUntil(async () => (await count()) === 0);
});

test('a move to a locked target is no failed attempt: the group is deleted once the target is free', async () => {
  const [id, target] = [await app.createGroup(), await app.createGroup()];
  await subscribe(id, 'ali');
  await retire(id, { moveSubscribersTo: target, at: future });
  const second = await openSecondConnection(app);
  try {
    await second.lockGroup(target);
    await app.sql('UPDATE groups SET retires_at = now() WHERE id = $1', [id]);
    await second.waitForBlocked();
    // A later one is deleted after the first one's time limit.
    await waitForExamination();
    expect(await problemOf(id)).toBeNull();
  } finally {
    await second.close();
  }
  await waitForDelete(id);
  expect(await deletesOf(id)).toMatchObject([{ outcome: 'done' }]);
  expect((await subscribersOf(target)).length).toBe(1);
});

test('a server that stops completes the move that it has started, and starts no other', async () => {
  const database = await createTestDatabase();
  try {
    const server = await openTestApp({}, { ...database, drop: async () => undefined });
    const second = await openSecondConnection(database);
    const ids: number[] = [];
    const target = await server.createGroup();
    for (let i = 0; i < 3; i++) {
      const id = await server.createGroup();
      ids.push(id);
      await server.post('/subscribe', { groupId: id, username: `user-${i}` });
      await server.post('/retireGroup', { id, at: future, moveSubscribersTo: target });
    }
    await second.lockGroup(target);
    await database.sql('UPDATE groups SET retires_at = now() WHERE id = ANY ($1)', [ids]);
    await second.waitForBlocked();
    const closing = server.close();
    await second.close();
    await closing;
    // The one that waited is deleted, unless it had reached its time limit.
    const left = await database.sql('SELECT FROM groups WHERE id = ANY ($1)', [ids]);
    expect(left.length).toBeGreaterThanOrEqual(2);
  } finally {
    await database.drop();
  }
});
