import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { openTestApp, plainGroup, useTestApp } from '../support/test-app.ts';
import { useTestDatabase } from '../support/test-database.ts';

const app = useTestApp();

let keyNumber = 0;
const makeOlder = (key: { 'Idempotency-Key': string }, age: string) =>
  app.sql(`UPDATE idempotency_keys SET created_at = created_at - $2::interval WHERE key = $1`, [
    key['Idempotency-Key'],
    age,
  ]);

describe.each([
  ['a plain deleteGroup', 'deleteGroup', async () => ({ id: await app.createGroup() })],
  [
    'deleteGroup with moveSubscribersTo',
    'deleteGroup',
    async () => ({ id: await app.createGroup(), moveSubscribersTo: await app.createGroup() }),
  ],
  ['deleteGroups', 'deleteGroups', async () => ({ ids: [await app.createGroup()] })],
  ['createGroup', 'createGroup', async () => ({ group: plainGroup })],
] as const)('the key of %s', (_what, operation, prepare) => {
  test.each([
    ['23 hours 59 minutes', true],
    ['24 hours 1 minute', false],
  ])('the first response is replayed after %s: %p', async (age, isReplayed) => {
    const args: Record<string, unknown> = await prepare();
    const key = { 'Idempotency-Key': `lifetime-${++keyNumber}` };
    const first = await app.post(`/${operation}`, args, key);
    expect(first.status).toBe(200);
    for (const id of [args['id'], args['ids']].flat())
      if (id !== undefined) await app.post('/restoreGroup', { id });
    await makeOlder(key, age);
    const before = await app.sql('SELECT id FROM groups ORDER BY id');

    const second = await app.post(`/${operation}`, args, key);

    expect([second.status, second.headers.get('idempotency-replayed')]).toStrictEqual([
      200,
      isReplayed ? 'true' : null,
    ]);
    const after = await app.sql('SELECT id FROM groups ORDER BY id');
    if (isReplayed) expect([second.body, after]).toStrictEqual([first.body, before]);
    else expect(after).not.toStrictEqual(before);
    // An expired key can be used again, for the new call.
    if (!isReplayed) {
      const third = await app.post(`/${operation}`, args, key);
      expect([third.headers.get('idempotency-replayed'), third.body]).toStrictEqual(['true', second.body]);
    }
  });

  test.each([
    ['23 hours 59 minutes', 422],
    ['24 hours 1 minute', 200],
  ])('the same key with other arguments after %s gets %i', async (age, status) => {
    const key = { 'Idempotency-Key': `lifetime-${++keyNumber}` };
    await app.post(`/${operation}`, await prepare(), key);
    await makeOlder(key, age);
    const other = operation === 'createGroup' ? { group: { ...plainGroup, name: 'Other' } } : await prepare();
    expect((await app.post(`/${operation}`, other, key)).status).toBe(status);
  });
});

test('the clean-up removes keys that are older than 24 hours, and no others', async () => {
  await app.sql(`DELETE FROM idempotency_keys`);
  await app.sql(
    `INSERT INTO idempotency_keys (account, operation, key, fingerprint, response, created_at)
     SELECT 'a', 'o', age, 'f', '{}', now() - age::interval
     FROM unnest(ARRAY['0 s', '24 minutes 1 s', '23 hours', '23 hours 59 minutes', '24 hours 1 minute', '30 days']) AS age`,
  );
  // A server cleans up when it starts.
  const other = await openTestApp({ DATABASE_URL: app.url }, { ...useTestDatabase(app.url), url: app.url });
  const keysLeft = async () =>
    (await app.sql('SELECT key FROM idempotency_keys ORDER BY created_at DESC')).map(({ key }) => key);
  while ((await keysLeft()).includes('30 days')) await sleep(20);
  expect(await keysLeft()).toStrictEqual(['0 s', '24 minutes 1 s', '23 hours', '23 hours 59 minutes']);
  await other.close();
});
