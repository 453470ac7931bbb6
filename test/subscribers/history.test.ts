import { describe, expect, test } from '@jest/globals';
import { createProbes, future } from '../support/probes.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();

const { subscribe, subscribersOf } = createProbes(() => app);
const historyOf = (username: string) =>
  app.sql(
    `SELECT group_id, username, starts_at, expires_at, removed_at BETWEEN now() - interval '5 minutes' AND now() AS is_removed_now
     FROM subscriber_history WHERE username = $1 ORDER BY id`,
    [username],
  );
let userNumber = 0;
const nextUser = () => `user-${++userNumber}`;
// With milliseconds, so that rounded values fail.
const startsAt = '2019-03-30T23:30:00.123Z';
const expiresAt = '2021-10-31T00:59:59.987Z';
const entry = (group_id: number, username: string, end: string | null = expiresAt) => ({
  group_id,
  username,
  starts_at: new Date(startsAt),
  expires_at: end === null ? null : new Date(end),
  is_removed_now: true,
});

describe('subscriber history', () => {
  test('the history has the exact dates of a subscription that ended before its group was deleted', async () => {
    const [id, username] = [await app.createGroup(), nextUser()];
    await subscribe(id, username, { startsAt, expiresAt });
    expect((await app.post('/deleteGroup', { id })).status).toBe(200);
    expect(await historyOf(username)).toStrictEqual([entry(id, username)]);
  });

  test('the history has the exact dates of a subscription that ended before its group was deleted with others', async () => {
    const [ids, username] = [[await app.createGroup(), await app.createGroup()] as const, nextUser()];
    for (const id of ids) await subscribe(id, username, { startsAt, expiresAt });
    expect((await app.post('/deleteGroups', { ids })).status).toBe(200);
    const history = await historyOf(username);
    expect(history).toHaveLength(2);
    for (const id of ids) expect(history).toContainEqual(entry(id, username));
  });

  test('the history has the exact dates of an ended subscription, and no active one that the delete moved', async () => {
    const [id, target] = [await app.createGroup(), await app.createGroup()];
    const [ended, active] = [nextUser(), nextUser()];
    await subscribe(id, ended, { startsAt, expiresAt });
    await subscribe(id, active, { startsAt, expiresAt: future });
    // Expired on the target, to which it is moved again.
    await subscribe(target, active, { startsAt, expiresAt });
    expect((await app.post('/deleteGroup', { id, moveSubscribersTo: target })).status).toBe(200);
    expect(await historyOf(ended)).toStrictEqual([entry(id, ended)]);
    expect(await historyOf(active)).toStrictEqual([entry(target, active)]);
    expect(await subscribersOf(target)).toStrictEqual([
      { username: active, starts_at: new Date(startsAt), expires_at: new Date(future) },
    ]);
  });

  test('the history has the exact dates of a subscription that ended on the target of moveSubscribers', async () => {
    const [from, to, username] = [await app.createGroup(), await app.createGroup(), nextUser()];
    await subscribe(from, username, { startsAt });
    await subscribe(to, username, { startsAt, expiresAt });
    expect((await app.post('/moveSubscribers', { fromGroupId: from, toGroupId: to })).status).toBe(200);
    expect(await historyOf(username)).toStrictEqual([entry(to, username)]);
    expect(await subscribersOf(to)).toStrictEqual([
      { username, starts_at: new Date(startsAt), expires_at: null },
    ]);
  });

  test('the history has the exact dates of a subscription that ended before the username subscribed again', async () => {
    const [id, username] = [await app.createGroup(), nextUser()];
    await subscribe(id, username, { startsAt, expiresAt });
    expect((await subscribe(id, username, { startsAt, expiresAt: future })).status).toBe(200);
    expect(await historyOf(username)).toStrictEqual([entry(id, username)]);
  });

  test.each([[future], [null]])(
    'the history has the exact dates of a subscription that was removed before its end (%s)',
    async (end) => {
      const [id, username] = [await app.createGroup(), nextUser()];
      await subscribe(id, username, { startsAt, ...(end !== null && { expiresAt: end }) });
      expect((await app.post('/removeUserSubscription', { username, groupId: id })).status).toBe(200);
      expect(await historyOf(username)).toStrictEqual([entry(id, username, end)]);
    },
  );
});

describe('the end of a subscription', () => {
  test.each(['1 millisecond', '1 second', '1 minute', '59 minutes', '61 minutes', '1 day', '400 days'])(
    'a subscription that ended %s ago does not block the delete, and is in the history',
    async (ago) => {
      for (const write of [
        (id: number) => ['/deleteGroup', { id }] as const,
        (id: number) => ['/deleteGroups', { ids: [id] }] as const,
        (id: number, target: number) => ['/deleteGroup', { id, moveSubscribersTo: target }] as const,
      ]) {
        const [id, target, username] = [await app.createGroup(), await app.createGroup(), nextUser()];
        await app.sql(
          `INSERT INTO subscribers VALUES ($1, $2, now() - interval '500 days', now() - $3::interval)`,
          [id, username, ago],
        );
        const [row] = await subscribersOf(id);
        const [path, args] = write(id, target);
        expect((await app.post(path, args)).status).toBe(200);
        expect(await historyOf(username)).toMatchObject([
          { group_id: id, starts_at: row!['starts_at'], expires_at: row!['expires_at'] },
        ]);
        expect(await app.sql('SELECT * FROM subscribers WHERE username = $1', [username])).toStrictEqual([]);
      }
    },
  );

  test.each(['1 minute', '59 minutes', '61 minutes', '1 day'])(
    'a subscription that ends in %s blocks the delete, and is not in the history',
    async (later) => {
      const [id, username] = [await app.createGroup(), nextUser()];
      await app.sql(
        `INSERT INTO subscribers VALUES ($1, $2, now() - interval '500 days', now() + $3::interval)`,
        [id, username, later],
      );
      const before = await subscribersOf(id);
      for (const [path, args] of [
        ['/deleteGroup', { id }],
        ['/deleteGroups', { ids: [id] }],
      ] as const) {
        const { status, body } = await app.post(path, args);
        expect([status, body.errors[0].extensions.subscriberCount]).toStrictEqual([409, 1]);
      }
      expect(await subscribersOf(id)).toStrictEqual(before);
      expect(await historyOf(username)).toStrictEqual([]);
    },
  );
});
