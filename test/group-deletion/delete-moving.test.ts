import { describe, expect, test } from '@jest/globals';
import { createProbes, past, future } from '../support/probes.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();

const { subscribe, subscribersOf, archiveRow, nextRequestId, auditOf, readState } = createProbes(() => app);

describe('moveSubscribersTo', () => {
  test('moveSubscribersTo moves active subscribers with their dates, keeps ended ones as history, and returns the count', async () => {
    const [id, target] = [await app.createGroup(), await app.createGroup()];
    await subscribe(id, 'a', { startsAt: past, expiresAt: future });
    await subscribe(id, 'b', { startsAt: future });
    await subscribe(id, 'c', { startsAt: past, expiresAt: '2021-01-01T00:00:00Z' });
    await subscribe(target, 'd');
    // Expired on the target, so that the username may subscribe there again.
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
    ['no subscribers', false],
    ['a subscriber', true],
  ])('moveSubscribersTo requires an existing target, even to move %s', async (_what, isSubscribed) => {
    const id = await app.createGroup();
    if (isSubscribed) await subscribe(id, 'a');
    const before = await readState();
    const answer = await app.post('/deleteGroup', { id, moveSubscribersTo: 2_000_000_000 });
    expect(answer.status).toBe(404);
    expect(answer.body.errors[0].extensions).toStrictEqual({
      code: 'NOT_FOUND',
      id: 2_000_000_000,
      argument: 'moveSubscribersTo',
    });
    expect(await readState()).toStrictEqual(before);
  });

  test('moveSubscribersTo is rejected with the usernames that are active on both groups, and moves no one', async () => {
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

  test('two groups that are concurrently moved into each other lose no subscriber', async () => {
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
