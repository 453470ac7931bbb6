import { beforeAll, describe, expect, test } from '@jest/globals';
import { createAutodialerClient } from '../support/autodialer.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { createTestAccount } from '../support/test-accounts.ts';
import { plainGroup, useTestApp, type ApiResponse } from '../support/test-app.ts';

const app = useTestApp();
let other: Record<string, string>;
beforeAll(async () => {
  other = (await createTestAccount(app, { username: 'other' })).byKey;
});

const { addGroup, call } = createAutodialerClient(() => app);
let keyNumber = 0;
const nextKey = () => ({ 'Idempotency-Key': `scope-${++keyNumber}` });
const isReplayed = ({ headers }: ApiResponse) => headers.get('idempotency-replayed') === 'true';
const codeOf = ({ body }: ApiResponse) => body.errors?.[0].extensions.code;
const keyRows = (key: { 'Idempotency-Key': string }) =>
  app.sql('SELECT account, operation FROM idempotency_keys WHERE key = $1 ORDER BY 1, 2', [
    key['Idempotency-Key'],
  ]);
const createServiceGroup = async () =>
  (await app.post('/createServiceGroup', { serviceGroup: { name: 's' } })).body.data.createServiceGroup.id;

describe('an idempotency key is scoped to its account:', () => {
  test.each(['plain', 'with moveSubscribersTo'])(
    'another account gets neither the group nor the replay of a delete (%s)',
    async (how) => {
      const [id, target] = [await app.createGroup(), await app.createGroup()];
      const args = how === 'plain' ? { id } : { id, moveSubscribersTo: target };
      const key = nextKey();
      expect((await app.post('/deleteGroup', args, key)).status).toBe(200);
      // The same arguments, for a group that no longer exists for any other call.
      const answer = await app.post('/deleteGroup', args, { ...key, ...other });
      expect([answer.status, codeOf(answer), isReplayed(answer)]).toStrictEqual([404, 'NOT_FOUND', false]);
      expect(answer.body.data).toStrictEqual({ deleteGroup: null });
      // Its failure does not remove the first account's stored response.
      expect(isReplayed(await app.post('/deleteGroup', args, key))).toBe(true);
      expect(await keyRows(key)).toStrictEqual([{ account: 'admin', operation: 'deleteGroup' }]);
    },
  );

  test.each(['plain', 'with moveSubscribersTo'])(
    'two accounts delete a group each under the same key, and each gets its own replay (%s)',
    async (how) => {
      const ids = [await app.createGroup(), await app.createGroup()] as const;
      const target = await app.createGroup();
      const argsOf = (id: number) => (how === 'plain' ? { id } : { id, moveSubscribersTo: target });
      const key = nextKey();
      const headers = [key, { ...key, ...other }];
      for (const round of [false, true]) {
        for (const [index, id] of ids.entries()) {
          const answer = await app.post('/deleteGroup', argsOf(id), headers[index]);
          expect([answer.status, answer.body.data.deleteGroup.id, isReplayed(answer)]).toStrictEqual([
            200,
            id,
            round,
          ]);
        }
      }
      expect(await app.sql('SELECT id FROM groups WHERE id = ANY ($1)', [ids])).toStrictEqual([]);
    },
  );

  test('two accounts create a group each with the same key and the same arguments', async () => {
    const key = nextKey();
    const [mine, theirs] = [
      await app.post('/createGroup', { group: plainGroup }, key),
      await app.post('/createGroup', { group: plainGroup }, { ...key, ...other }),
    ];
    expect([isReplayed(mine), isReplayed(theirs)]).toStrictEqual([false, false]);
    expect(mine.body.data.createGroup.id).not.toBe(theirs.body.data.createGroup.id);
    expect(await keyRows(key)).toStrictEqual([
      { account: 'admin', operation: 'createGroup' },
      { account: 'other', operation: 'createGroup' },
    ]);
  });

  test('two accounts remove a number group each under the same key', async () => {
    const [one, two] = [await addGroup(), await addGroup()];
    const key = nextKey();
    expect((await call('remove', { _id: one }, key)).body.success).toBe(1);
    expect((await call('remove', { _id: one }, { ...key, ...other })).body.success).toBe(0);
    const theirs = await call('remove', { _id: two }, { ...key, ...other });
    expect([theirs.body.success, isReplayed(theirs)]).toStrictEqual([1, false]);
    expect(await app.sql('SELECT id FROM number_groups WHERE id IN ($1, $2)', [one, two])).toStrictEqual([]);
  });
});

describe('an idempotency key is scoped to its operation:', () => {
  test('createGroup, editGroup, deleteGroup, restoreGroup and purgeDeletedGroup under one key are all executed', async () => {
    const key = nextKey();
    const created = await app.post('/createGroup', { group: plainGroup }, key);
    const id = created.body.data.createGroup.id;
    const answers = [
      created,
      await app.post('/editGroup', { id, group: plainGroup }, key),
      await app.post('/deleteGroup', { id }, key),
      await app.post('/restoreGroup', { id }, key),
    ];
    await app.post('/deleteGroup', { id });
    answers.push(await app.post('/purgeDeletedGroup', { id }, key));
    for (const answer of answers)
      expect([answer.status, answer.body.errors, isReplayed(answer)]).toStrictEqual([200, undefined, false]);
    expect((await keyRows(key)).map(({ operation }) => operation)).toStrictEqual([
      'createGroup',
      'deleteGroup',
      'editGroup',
      'purgeDeletedGroup',
      'restoreGroup',
    ]);
    expect(await app.sql('SELECT id FROM deleted_groups WHERE id = $1', [id])).toStrictEqual([]);
  });

  test('deleteGroup and deleteGroups under one key are both executed, and replayed each by itself', async () => {
    const [one, two] = [await app.createGroup(), await app.createGroup()];
    const key = nextKey();
    for (const round of [false, true]) {
      const single = await app.post('/deleteGroup', { id: one }, key);
      expect([single.body.data.deleteGroup.id, isReplayed(single)]).toStrictEqual([one, round]);
      const many = await app.post('/deleteGroups', { ids: [two] }, key);
      expect([many.body.data.deleteGroups[0].id, isReplayed(many)]).toStrictEqual([two, round]);
    }
  });

  test('deleteGroup and deleteServiceGroup of the same id and key are both executed', async () => {
    const id = await app.createGroup();
    await app.sql(`INSERT INTO service_groups (id, name) OVERRIDING SYSTEM VALUE VALUES ($1, 's')`, [id]);
    const key = nextKey();
    for (const path of ['/deleteGroup', '/deleteServiceGroup']) {
      const answer = await app.post(path, { id }, key);
      expect([answer.status, isReplayed(answer)]).toStrictEqual([200, false]);
    }
    for (const table of ['groups', 'service_groups'])
      expect(await app.sql(`SELECT id FROM ${table} WHERE id = $1`, [id])).toStrictEqual([]);
  });

  test('add, update and remove of a number group under one key are all executed', async () => {
    const key = nextKey();
    const added = await call('add', { name: 'scoped', numbers: ['1111'] }, key);
    const id = added.body.data._id;
    const answers = [
      added,
      await call('update', { _id: id, name: 'renamed' }, key),
      await call('remove', { _id: id }, key),
    ];
    for (const answer of answers) expect([answer.body.success, isReplayed(answer)]).toStrictEqual([1, false]);
    expect(await app.sql('SELECT id FROM number_groups WHERE id = $1', [id])).toStrictEqual([]);
    expect((await keyRows(key)).map(({ operation }) => operation)).toStrictEqual([
      'autodialer/groups/add',
      'autodialer/groups/remove',
      'autodialer/groups/update',
    ]);
  });

  test('an idempotency key is scoped to its alias: under another alias, or none, it is another key', async () => {
    const ids = [await app.createGroup(), await app.createGroup(), await app.createGroup()] as const;
    const key = nextKey();
    const remove = (alias: string, id: number) =>
      app.graphql(`mutation ($id: Int!) { ${alias} deleteGroup(id: $id) { id } }`, { id }, key);
    for (const round of [false, true])
      for (const [index, alias] of ['', 'a:', 'b:'].entries()) {
        const answer = await remove(alias, ids[index]!);
        expect([answer.body.errors, isReplayed(answer)]).toStrictEqual([undefined, round]);
        expect(Object.values(answer.body.data)).toStrictEqual([{ id: ids[index] }]);
      }
  });
});

describe('of two concurrent calls with one key one is executed, and both return its response:', () => {
  test.each([
    ['deleteGroup', (id: number) => ({ id })],
    ['deleteGroup', (id: number, target: number) => ({ id, moveSubscribersTo: target })],
    ['deleteGroups', (id: number) => ({ ids: [id] })],
    ['editGroup', (id: number) => ({ id, group: { name: 'Edited' } })],
  ])('%s %#', async (operation, write) => {
    const [id, target] = [await app.createGroup(), await app.createGroup()];
    const key = nextKey();
    const second = await openSecondConnection(app);
    try {
      await second.query('BEGIN');
      await second.query('SELECT FROM groups WHERE id = $1 FOR UPDATE', [id]);
      const first = app.post(`/${operation}`, write(id, target), key);
      await second.waitForBlocked();
      const repeated = app.post(`/${operation}`, write(id, target), key);
      // Time for the second call to arrive: the order must make no difference.
      await app.post('/group', { id: target });
      await second.query('COMMIT');
      const answers = await Promise.all([first, repeated]);
      for (const answer of answers)
        expect([answer.status, answer.body]).toStrictEqual([200, answers[0].body]);
      expect(answers.filter(isReplayed)).toHaveLength(1);
      const outcomes = await app.sql(
        `SELECT outcome FROM audit_events WHERE target_ids @> $1 AND operation = $2 ORDER BY id`,
        [[String(id)], operation],
      );
      expect(outcomes).toStrictEqual([{ outcome: 'done' }, { outcome: 'replayed' }]);
    } finally {
      await second.close();
    }
  });

  test('createGroup', async () => {
    const serviceGroupId = await createServiceGroup();
    const group = { ...plainGroup, serviceGroupId };
    const key = nextKey();
    const second = await openSecondConnection(app);
    try {
      await second.query('BEGIN');
      await second.query('SELECT FROM service_groups WHERE id = $1 FOR UPDATE', [serviceGroupId]);
      const first = app.post('/createGroup', { group }, key);
      await second.waitForBlocked();
      const repeated = app.post('/createGroup', { group }, key);
      await app.post('/serviceGroup', { id: serviceGroupId });
      await second.query('COMMIT');
      const answers = await Promise.all([first, repeated]);
      for (const answer of answers)
        expect([answer.status, answer.body]).toStrictEqual([200, answers[0].body]);
      expect(answers.filter(isReplayed)).toHaveLength(1);
      expect(
        await app.sql('SELECT id FROM groups WHERE service_group_id = $1', [serviceGroupId]),
      ).toHaveLength(1);
    } finally {
      await second.close();
    }
  });
});
