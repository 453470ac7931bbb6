import { describe, expect, test } from '@jest/globals';
import { openSecondConnection } from '../support/second-connection.ts';
import { plainGroup, useTestApp, type ApiResponse } from '../support/test-app.ts';

const app = useTestApp();

const codeOf = ({ body }: ApiResponse) => body.errors?.[0].extensions.code;
let keyNumber = 0;
const nextKey = () => ({ 'Idempotency-Key': `key-${++keyNumber}` });
const outcomesOf = async (id: number) =>
  (
    await app.sql(
      'SELECT outcome FROM audit_events WHERE target_ids @> $1 AND operation LIKE $2 ORDER BY id',
      [[String(id)], 'delete%'],
    )
  ).map(({ outcome }) => outcome);

describe('a repeated delete', () => {
  test('a repeated delete returns the same group marked as a replay, deletes nothing, and is recorded in the audit', async () => {
    const id = await app.createGroup();
    const key = nextKey();
    const first = await app.post('/deleteGroup', { id, reason: 'r' }, key);
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    await app.post('/restoreGroup', { id });

    const second = await app.post('/deleteGroup', { id, reason: 'r' }, key);

    expect(second.status).toBe(200);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(second.body).toStrictEqual(first.body);
    expect(await app.sql('SELECT id FROM groups WHERE id = $1', [id])).toHaveLength(1);
    expect(await outcomesOf(id)).toStrictEqual(['done', 'replayed']);
  });

  test('a repeated key with other arguments is rejected', async () => {
    const [id, other] = [await app.createGroup(), await app.createGroup()];
    const key = nextKey();
    await app.post('/deleteGroup', { id }, key);
    for (const args of [
      { id: other },
      { id, reason: 'other' },
      { id, expectedVersion: 1 },
      { id, dryRun: true },
    ]) {
      const answer = await app.post('/deleteGroup', args, key);
      expect([answer.status, codeOf(answer)]).toStrictEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
    }
    expect(await app.sql('SELECT id FROM groups WHERE id = $1', [other])).toHaveLength(1);
  });

  test.each([1, 2, 3])(
    '20 concurrent deletes with one key delete once and return 20 equal responses (round %i)',
    async () => {
      const id = await app.createGroup();
      const key = nextKey();
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => app.post('/deleteGroup', { id }, key)),
      );
      for (const answer of answers)
        expect([answer.status, answer.body]).toStrictEqual([200, answers[0]!.body]);
      expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === 'true')).toHaveLength(
        19,
      );
      expect(await outcomesOf(id)).toStrictEqual(['done', ...Array.from({ length: 19 }, () => 'replayed')]);
      expect(await app.sql('SELECT id FROM deleted_groups WHERE id = $1', [id])).toHaveLength(1);
    },
  );

  test('of two concurrent deletes of two groups under one key, one is executed and the other rejected', async () => {
    const ids = [await app.createGroup(), await app.createGroup()];
    const key = nextKey();
    const answers = await Promise.all(ids.map((id) => app.post('/deleteGroup', { id }, key)));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toStrictEqual([200, 422]);
    expect(await app.sql('SELECT id FROM groups WHERE id = ANY ($1)', [ids])).toHaveLength(1);
  });

  test('a delete is executed again if the first one failed', async () => {
    const id = await app.createGroup({ protected: true });
    const key = nextKey();
    expect(codeOf(await app.post('/deleteGroup', { id }, key))).toBe('GROUP_PROTECTED');
    await app.post('/editGroup', { id, group: { protected: false } });
    const answer = await app.post('/deleteGroup', { id }, key);
    expect([answer.status, answer.headers.get('idempotency-replayed')]).toStrictEqual([200, null]);
  });

  test.each(['queued', 'in a transaction'])('a delete is executed again after 24 hours (%s)', async (how) => {
    const [id, target] = [await app.createGroup(), await app.createGroup()];
    const args = how === 'queued' ? { id } : { id, moveSubscribersTo: target };
    const key = nextKey();
    await app.post('/deleteGroup', args, key);
    await app.post('/restoreGroup', { id });
    await app.sql(
      `UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 second' WHERE key = $1`,
      [key['Idempotency-Key']],
    );
    const answer = await app.post('/deleteGroup', args, key);
    expect([answer.status, answer.headers.get('idempotency-replayed')]).toStrictEqual([200, null]);
    expect(await outcomesOf(id)).toStrictEqual(['done', 'done']);
  });
});

test('a repeated call gets an error after a while if the first call is still running', async () => {
  const scope = JSON.stringify(['admin', 'createGroup', 'running']);
  const running = await openSecondConnection(app);
  await running.query('BEGIN');
  await running.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [scope]);
  const answer = await app.post('/createGroup', { group: plainGroup }, { 'Idempotency-Key': 'running' });
  expect([answer.status, codeOf(answer)]).toStrictEqual([409, 'IDEMPOTENCY_IN_PROGRESS']);
  await running.close();
  expect(
    (await app.post('/createGroup', { group: plainGroup }, { 'Idempotency-Key': 'running' })).status,
  ).toBe(200);
});

test('a key is scoped to its operation, and to the alias within a request', async () => {
  const [one, two] = [await app.createGroup(), await app.createGroup()];
  const key = nextKey();
  const query =
    'mutation ($one: Int!, $two: Int!) { a: deleteGroup(id: $one) { id } b: deleteGroup(id: $two) { id } }';
  const first = await app.graphql(query, { one, two }, key);
  expect(first.body).toStrictEqual({ data: { a: { id: one }, b: { id: two } } });
  expect((await app.graphql(query, { one, two }, key)).body).toStrictEqual(first.body);
  expect((await app.post('/createGroup', { group: plainGroup }, key)).status).toBe(200);
});

test('a key with an alias differs from a key that contains the alias; null arguments do not change the fingerprint', async () => {
  const [one, two] = [await app.createGroup(), await app.createGroup()];
  const aliased = await app.graphql(
    'mutation ($id: Int!) { b: deleteGroup(id: $id) { id } }',
    { id: one },
    { 'Idempotency-Key': 'kz' },
  );
  expect(aliased.body.data.b.id).toBe(one);
  const key = { 'Idempotency-Key': 'kz#b' };
  const first = await app.post('/deleteGroup', { id: two }, key);
  expect([first.status, first.headers.get('idempotency-replayed')]).toStrictEqual([200, null]);
  const again = await app.post('/deleteGroup', { id: two, reason: null, dryRun: false }, key);
  expect([again.status, again.headers.get('idempotency-replayed')]).toStrictEqual([200, 'true']);
});

describe('every other mutation is retry-safe', () => {
  test.each([
    ['createGroup', async () => ({ group: plainGroup })],
    ['editGroup', async () => ({ id: await app.createGroup(), group: { name: 'New' } })],
    ['deleteGroups', async () => ({ ids: [await app.createGroup(), await app.createGroup()] })],
    [
      'restoreGroup',
      async () => {
        const id = await app.createGroup();
        await app.post('/deleteGroup', { id });
        return { id };
      },
    ],
    [
      'purgeDeletedGroup',
      async () => {
        const id = await app.createGroup();
        await app.post('/deleteGroup', { id });
        return { id };
      },
    ],
    ['subscribe', async () => ({ username: 'u', groupId: await app.createGroup() })],
    [
      'removeUserSubscription',
      async () => {
        const groupId = await app.createGroup();
        await app.post('/subscribe', { username: 'v', groupId });
        return { username: 'v', groupId };
      },
    ],
    [
      'moveSubscribers',
      async () => ({ fromGroupId: await app.createGroup(), toGroupId: await app.createGroup() }),
    ],
    ['createServiceGroup', async () => ({ serviceGroup: { name: 's' } })],
    [
      'deleteServiceGroup',
      async () => ({
        id: (await app.post('/createServiceGroup', { serviceGroup: { name: 's' } })).body.data
          .createServiceGroup.id,
      }),
    ],
  ])('%s, with ten concurrent calls too', async (operation, prepare) => {
    const args = await prepare();
    const key = nextKey();
    const answers = await Promise.all(Array.from({ length: 10 }, () => app.post(`/${operation}`, args, key)));
    for (const answer of answers) expect([answer.status, answer.body]).toStrictEqual([200, answers[0]!.body]);
    expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === 'true')).toHaveLength(9);
  });
});

test.each(['', 'k'.repeat(256), 'caf\u00e9'])('rejects the key %j', async (key) => {
  const id = await app.createGroup();
  const answer = await app.post('/deleteGroup', { id }, { 'Idempotency-Key': key });
  expect(answer.body.errors[0].extensions).toStrictEqual({
    code: 'BAD_USER_INPUT',
    argument: 'Idempotency-Key',
  });
  expect(await app.sql('SELECT id FROM groups WHERE id = $1', [id])).toHaveLength(1);
});
