import { expect, test } from '@jest/globals';
import { createProbes, past, future } from '../support/probes.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();

const { subscribe, subscribersOf, nextRequestId, auditOf, readState } = createProbes(() => app);

/** A plan with these subscribers, deleted by moving them to another plan with one subscriber. */
async function deleteByMoving(...usernames: string[]): Promise<{ id: number; target: number }> {
  const [id, target] = [await app.createGroup(), await app.createGroup()];
  for (const username of usernames) await subscribe(id, username, { startsAt: past, expiresAt: future });
  await subscribe(target, 'own');
  expect((await app.post('/deleteGroup', { id, moveSubscribersTo: target })).status).toBe(200);
  return { id, target };
}

const restore = (id: number, headers = {}) =>
  app.post('/restoreGroup', { id, moveSubscribersBack: true }, headers);
const archived = async (id: number) => {
  const { body } = await app.graphql(
    'query ($id: Int!) { deletedGroup(id: $id) { movedTo subscribersMoved subscribersToReturn } }',
    { id },
  );
  return body.data.deletedGroup;
};
const usernamesOf = async (id: number) => (await subscribersOf(id)).map(({ username }) => username);

test('restoreGroup with moveSubscribersBack moves the moved subscribers back with their dates, and leaves the others', async () => {
  const { id, target } = await deleteByMoving('a', 'b');
  const dates = (await subscribersOf(target)).filter(({ username }) => username !== 'own');
  expect(await archived(id)).toStrictEqual({ movedTo: target, subscribersMoved: 2, subscribersToReturn: 2 });
  const requestId = nextRequestId();

  const answer = await restore(id, { 'X-Request-Id': requestId });

  expect([answer.status, answer.body.data.restoreGroup]).toMatchObject([200, { id, subscriberCount: 2 }]);
  expect(await subscribersOf(id)).toStrictEqual(dates);
  expect(await usernamesOf(target)).toStrictEqual(['own']);
  expect(await auditOf(requestId)).toMatchObject([
    {
      operation: 'restoreGroup',
      outcome: 'done',
      target_ids: [String(id), String(target)],
      after: { id, moveSubscribersFrom: target, subscribersMovedBack: 2 },
    },
  ]);
  expect(await app.sql('SELECT FROM moved_subscribers WHERE deleted_group_id = $1', [id])).toStrictEqual([]);
});

test('subscribers that ended, left, moved on or subscribed again since the delete stay where they are', async () => {
  const { id, target } = await deleteByMoving('ended', 'left', 'again', 'moved', 'still');
  await app.sql('UPDATE subscribers SET expires_at = $2 WHERE group_id = $1 AND username = $3', [
    target,
    '2021-01-01T00:00:00Z',
    'ended',
  ]);
  for (const username of ['left', 'again'])
    await app.post('/removeUserSubscription', { username, groupId: target });
  await subscribe(target, 'again');
  const third = await app.createGroup();
  await app.sql('UPDATE subscribers SET group_id = $2 WHERE group_id = $1 AND username = $3', [
    target,
    third,
    'moved',
  ]);
  expect(await archived(id)).toMatchObject({ subscribersMoved: 5, subscribersToReturn: 1 });

  expect((await restore(id)).status).toBe(200);

  expect(await usernamesOf(id)).toStrictEqual(['still']);
  expect(await usernamesOf(target)).toStrictEqual(['again', 'ended', 'own']);
  expect(await usernamesOf(third)).toStrictEqual(['moved']);
});

test('restoreGroup without moveSubscribersBack leaves all subscribers on the other group', async () => {
  const { id, target } = await deleteByMoving('a');
  const answer = await app.post('/restoreGroup', { id });
  expect(answer.body.data.restoreGroup).toMatchObject({ id, subscriberCount: 0 });
  expect(await usernamesOf(target)).toStrictEqual(['a', 'own']);
  // The next delete moves no one, so that its restore has no one to move back.
  await app.post('/deleteGroup', { id });
  expect(await archived(id)).toStrictEqual({ movedTo: null, subscribersMoved: 0, subscribersToReturn: 0 });
  expect((await restore(id)).status).toBe(200);
  expect(await usernamesOf(id)).toStrictEqual([]);
});

test('a group that is deleted twice gets back those whom the last delete moved', async () => {
  const { id, target } = await deleteByMoving('first');
  await app.post('/restoreGroup', { id });
  await subscribe(id, 'second');
  const other = await app.createGroup();
  await app.post('/deleteGroup', { id, moveSubscribersTo: other });
  expect((await restore(id)).status).toBe(200);
  expect(await usernamesOf(id)).toStrictEqual(['second']);
  expect(await usernamesOf(target)).toStrictEqual(['first', 'own']);
});

test('deletes in a chain are undone in reverse order, with all subscribers', async () => {
  const { id: first, target: second } = await deleteByMoving('a');
  const third = await app.createGroup();
  await app.post('/deleteGroup', { id: second, moveSubscribersTo: third });
  expect((await restore(second)).status).toBe(200);
  expect((await restore(first)).status).toBe(200);
  expect(await Promise.all([first, second, third].map(usernamesOf))).toStrictEqual([['a'], ['own'], []]);
});

test('moveSubscribersBack is rejected if the other group has been deleted, and nothing changes', async () => {
  const { id, target } = await deleteByMoving('a');
  const third = await app.createGroup();
  await app.post('/deleteGroup', { id: target, moveSubscribersTo: third });
  const before = await readState();
  const answer = await restore(id);
  expect([answer.status, answer.body.errors[0]]).toMatchObject([
    404,
    {
      message: `The subscribers were moved to group ${target}, which has been deleted. Restore it first, or restore without moveSubscribersBack`,
      extensions: { code: 'NOT_FOUND', argument: 'moveSubscribersBack', id: target },
    },
  ]);
  expect(await readState()).toStrictEqual(before);
});

test('moveSubscribersBack is rejected if the other group has been purged, without the advice to restore it', async () => {
  const { id, target } = await deleteByMoving('a');
  await app.post('/deleteGroup', { id: target, moveSubscribersTo: await app.createGroup() });
  await app.post('/purgeDeletedGroup', { id: target });
  const { body } = await restore(id);
  expect(body.errors[0].message).toBe(
    `The subscribers were moved to group ${target}, which has been removed permanently. Restore without moveSubscribersBack`,
  );
});

test('moveSubscribersBack is rejected for a delete of an earlier version, which stored no subscribers', async () => {
  const { id } = await deleteByMoving('a');
  await app.sql('UPDATE deleted_groups SET moved_to = NULL WHERE id = $1', [id]);
  const answer = await restore(id);
  expect([answer.status, answer.body.errors[0]]).toMatchObject([
    400,
    {
      message: expect.stringContaining(
        `The subscribers that the delete of group ${id} moved (1) are not stored`,
      ),
      extensions: { code: 'BAD_USER_INPUT', argument: 'moveSubscribersBack' },
    },
  ]);
});

test('purgeDeletedGroup returns how many would have come back, and removes the stored subscribers', async () => {
  const { id } = await deleteByMoving('a', 'b');
  const answer = await app.graphql(
    'mutation ($id: Int!) { purgeDeletedGroup(id: $id) { subscribersToReturn } }',
    { id },
  );
  expect(answer.body.data.purgeDeletedGroup).toStrictEqual({ subscribersToReturn: 2 });
  expect(await app.sql('SELECT FROM moved_subscribers WHERE deleted_group_id = $1', [id])).toStrictEqual([]);
});

test('a repeated restoreGroup with an Idempotency-Key moves the subscribers back once', async () => {
  const { id, target } = await deleteByMoving('a');
  const key = { 'Idempotency-Key': `restore-${id}` };
  const [first, second] = [await restore(id, key), await restore(id, key)];
  expect(second.body).toStrictEqual(first.body);
  expect(second.headers.get('idempotency-replayed')).toBe('true');
  expect(await usernamesOf(target)).toStrictEqual(['own']);
});

test('of concurrent restores one moves the subscribers back; a concurrent removal from the other group loses no one', async () => {
  const { id, target } = await deleteByMoving('race-a', 'race-b', 'race-c');
  const answers = await Promise.all([
    ...Array.from({ length: 5 }, () => restore(id)),
    app.post('/removeUserSubscription', { username: 'race-b' }),
  ]);
  expect(answers.slice(0, 5).filter(({ status }) => status === 200)).toHaveLength(1);
  expect(answers[5]!.status).toBe(200);
  expect(await usernamesOf(id)).toStrictEqual(['race-a', 'race-c']);
  expect(await usernamesOf(target)).toStrictEqual(['own']);
});
