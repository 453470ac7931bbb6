import { describe, expect, test } from '@jest/globals';
import { createAutodialerClient, done, failure, groupsPath } from '../support/autodialer.ts';
import { createProbes } from '../support/probes.ts';
import { openTestApp, useTestApp } from '../support/test-app.ts';

const app = useTestApp();
const { call, addGroup, upload, numbersOf, readNumbers } = createAutodialerClient(() => app);
const { auditOf, nextRequestId } = createProbes(() => app);

const rowOf = async (id: string) => (await app.sql('SELECT * FROM number_groups WHERE id = $1', [id]))[0];
const archiveOf = async (id: string) =>
  (await app.sql('SELECT * FROM deleted_number_groups WHERE id = $1', [id]))[0];

describe('add', () => {
  test('add stores the group and its distinct numbers in order, and returns its id', async () => {
    const requestId = nextRequestId();
    const group = { name: ' test_group ', numbers: ['1111', '2222', '+98*#', '1111', '0'], description: 'd' };
    const { status, body } = await call('add', group, { 'X-Request-Id': requestId });
    expect([status, body]).toStrictEqual([
      200,
      { success: 1, message: done, data: { _id: expect.stringMatching(/^[0-9a-f]{24}$/) } },
    ]);
    const id = body.data._id;
    expect(await numbersOf(id)).toStrictEqual(['1111', '2222', '+98*#', '0']);
    expect(await rowOf(id)).toMatchObject({ name: 'test_group', description: 'd', count: 4 });
    expect(await auditOf(requestId)).toMatchObject([
      { operation: 'autodialer/groups/add', outcome: 'done', target_ids: [id], after: { id, count: 4 } },
    ]);
  });

  test('add accepts a group without numbers, or without a description', async () => {
    const id = await addGroup({ numbers: [] });
    expect(await numbersOf(id)).toStrictEqual([]);
    expect(await rowOf(id)).toMatchObject({ description: '', count: 0 });
  });

  test('add accepts its fields in any order, and any equivalent JSON', async () => {
    const { body } = await app.send(`${groupsPath}/add`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json; charset=utf-8' },
      body: ' { "numbers" : [ "1" , "\\u0032" ] , "description" : "\\u062f" , "name" : "گروه \\"۱\\"" } ',
    });
    expect(await numbersOf(body.data._id)).toStrictEqual(['1', '2']);
    expect(await rowOf(body.data._id)).toMatchObject({ name: 'گروه "۱"', description: 'د', count: 2 });
  });

  test('add with a repeated Idempotency-Key is executed once; with other numbers it is rejected', async () => {
    const group = { name: 'once', numbers: ['1', '2'] };
    const key = { 'Idempotency-Key': 'add-once' };
    const first = await call('add', group, key);
    const again = await call('add', group, key);
    expect(again.body).toStrictEqual(first.body);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    const reordered = await call('add', { numbers: group.numbers, name: group.name }, key);
    expect(reordered.body).toStrictEqual(first.body);
    const other = await call('add', { ...group, numbers: ['1', '3'] }, key);
    expect(other.body).toStrictEqual(
      failure('This Idempotency-Key was used with other arguments. Use a new key'),
    );
    expect(
      await app.sql(`SELECT count(*)::int AS count FROM number_groups WHERE name = 'once'`),
    ).toStrictEqual([{ count: 1 }]);
  });

  test('add of 10,000 numbers with repetitions stores the distinct ones only', async () => {
    const numbers = Array.from({ length: 25_000 }, (_, index) => String((index * 7) % 10_000));
    const id = await addGroup({ numbers });
    expect(await numbersOf(id)).toStrictEqual([...new Set(numbers)]);
    expect(await rowOf(id)).toMatchObject({ count: 10_000 });
  });

  test('add that is rejected after thousands of numbers stores nothing', async () => {
    const before = await readNumbers();
    const numbers = Array.from({ length: 20_000 }, (_, index) => String(index));
    for (const group of [
      { numbers: [...numbers, 'x'], name: 'late' },
      { numbers, name: '' },
      { numbers, nme: 'a' },
    ])
      expect((await call('add', group)).body.success).toBe(0);
    expect(await readNumbers()).toStrictEqual(before);
  });
});

describe('update', () => {
  test('update changes the fields that are sent, leaves the others, and returns the whole group', async () => {
    const id = await addGroup({ name: 'before', numbers: ['1', '2'], description: 'kept' });
    const { created_at: createdAt } = (await rowOf(id)) as { created_at: Date };
    const requestId = nextRequestId();
    const { body } = await call('update', { _id: id, name: 'after' }, { 'X-Request-Id': requestId });
    expect(body).toStrictEqual({
      success: 1,
      message: done,
      data: {
        name: 'after',
        numbers: ['1', '2'],
        description: 'kept',
        date: { $date: { $numberLong: String(createdAt.getTime()) } },
        count: 2,
      },
    });
    expect(await auditOf(requestId)).toMatchObject([
      {
        operation: 'autodialer/groups/update',
        outcome: 'done',
        target_ids: [id],
        before: { name: 'before' },
        after: { name: 'after' },
      },
    ]);
  });

  test('update by PUT replaces the numbers', async () => {
    const id = await addGroup({ numbers: ['1', '2'] });
    const { status, body } = await app.send(`${groupsPath}/update`, {
      method: 'PUT',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ _id: id.toUpperCase(), numbers: ['3', '3', '4', '5'] }),
    });
    expect([status, body.data]).toMatchObject([200, { numbers: ['3', '4', '5'], count: 3, name: 'plain' }]);
  });

  test('update accepts an uploaded file', async () => {
    const id = await addGroup({ numbers: ['1', '2'] });
    const { body: uploaded } = await upload('7\n8\n');
    const { body } = await call('update', { _id: id, filename: uploaded.data.filename });
    expect(body.data).toMatchObject({ numbers: ['7', '8'], count: 2 });
  });

  test('update with a repeated Idempotency-Key returns the first response, even if the numbers have changed since', async () => {
    const id = await addGroup();
    const headers = { 'Idempotency-Key': 'update-once', 'X-Request-Id': nextRequestId() };
    const first = await call('update', { _id: id, numbers: ['7', '8'] }, headers);
    await call('update', { _id: id, numbers: ['9'] });
    const again = await call('update', { numbers: ['7', '8'], _id: id.toUpperCase() }, headers);
    expect(again.body).toStrictEqual(first.body);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await numbersOf(id)).toStrictEqual(['9']);
    expect((await auditOf(headers['X-Request-Id'])).map(({ outcome }) => outcome)).toStrictEqual([
      'done',
      'replayed',
    ]);
  });

  test('concurrent updates and removes leave the group complete or removed, and no list without a group', async () => {
    for (let round = 0; round < 10; round++) {
      const id = await addGroup();
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          index % 2 ? call('update', { _id: id, numbers: [String(index)] }) : call('remove', { _id: id }),
        ),
      );
      expect(answers.filter(({ body }) => body.success === 1 && body.data === '')).toHaveLength(1);
      for (const { status } of answers) expect(status).toBe(200);
    }
    const orphans = await app.sql(`SELECT id FROM number_lists WHERE unused_since IS NULL
      AND id NOT IN (SELECT list_id FROM number_groups UNION ALL SELECT list_id FROM deleted_number_groups)`);
    expect(orphans).toStrictEqual([]);
  });

  test('twenty concurrent updates each return their own numbers, and the group has those of one', async () => {
    const id = await addGroup();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => call('update', { _id: id, numbers: [String(index)] })),
    );
    for (const [index, { body }] of answers.entries())
      expect(body.data.numbers).toStrictEqual([String(index)]);
    expect(await numbersOf(id)).toHaveLength(1);
  });
});

describe('remove', () => {
  test.each(['POST', 'DELETE'])('remove by %s archives the whole group, once', async (method) => {
    const id = await addGroup({ name: 'gone', numbers: ['1', '2'], description: 'd' });
    const other = await addGroup({ numbers: ['3'] });
    const otherRow = await rowOf(other);
    const requestId = nextRequestId();
    const remove = (headers: Record<string, string> = {}) =>
      app.send(`${groupsPath}/remove`, {
        method,
        headers: { 'Content-Type': 'application/json', ...headers },
        body: JSON.stringify({ _id: id }),
      });
    const answer = await remove({ 'X-Request-Id': requestId });
    expect([answer.status, answer.body]).toStrictEqual([200, { success: 1, message: done, data: '' }]);
    expect(await rowOf(id)).toBeUndefined();
    expect([await rowOf(other), await numbersOf(other)]).toStrictEqual([otherRow, ['3']]);
    expect(await archiveOf(id)).toMatchObject({
      group_row: { id, name: 'gone', description: 'd', count: 2 },
      deleted_by: 'admin',
    });
    const [archived] = await app.sql(
      `SELECT round(extract(epoch FROM purge_at - deleted_at) / 86400)::int AS days, numbers, unused_since
       FROM deleted_number_groups AS archived JOIN number_lists ON number_lists.id = archived.list_id
       JOIN number_list_chunks AS chunk ON chunk.list_id = archived.list_id WHERE archived.id = $1`,
      [id],
    );
    expect(archived).toStrictEqual({ days: 30, numbers: ['1', '2'], unused_since: null });
    expect(await auditOf(requestId)).toMatchObject([
      { operation: 'autodialer/groups/remove', outcome: 'done', target_ids: [id], before: { id, count: 2 } },
    ]);
    expect((await remove()).body).toStrictEqual(failure("Field '_id':There is no such group"));
  });

  test("remove accepts the other spelling of the id in the vendor's documented example", async () => {
    const id = await addGroup();
    const both = await addGroup();
    expect((await call('remove', { id_: id.toUpperCase() })).body.success).toBe(1);
    expect((await call('remove', { _id: both, id_: both.toUpperCase() })).body.success).toBe(1);
    expect(await rowOf(both)).toBeUndefined();
    expect(await rowOf(id)).toBeUndefined();
  });

  test('of twenty concurrent removes one succeeds', async () => {
    const id = await addGroup();
    const answers = await Promise.all(Array.from({ length: 20 }, () => call('remove', { _id: id })));
    expect(answers.filter(({ body }) => body.success === 1)).toHaveLength(1);
    expect(answers.filter(({ body }) => /no such group/.test(body.message))).toHaveLength(19);
  });

  test('remove with a repeated Idempotency-Key returns the first response', async () => {
    const id = await addGroup();
    const key = { 'Idempotency-Key': 'remove-once' };
    const first = await call('remove', { _id: id }, key);
    const again = await call('remove', { _id: id }, key);
    expect(again.body).toStrictEqual(first.body);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    const wrong = await call('remove', { _id: id }, { 'Idempotency-Key': 'x'.repeat(256) });
    expect(wrong.body).toStrictEqual(
      failure("Field 'Idempotency-Key':value must have 1 to 255 printable ASCII characters"),
    );
  });

  test('remove archives nothing if the retention is 0', async () => {
    const forgetful = await openTestApp({ DELETED_GROUP_RETENTION_DAYS: 0 });
    const client = createAutodialerClient(() => forgetful);
    const id = await client.addGroup();
    expect((await client.call('remove', { _id: id })).body.success).toBe(1);
    expect(await forgetful.sql('SELECT FROM deleted_number_groups')).toStrictEqual([]);
    expect(await forgetful.sql('SELECT unused_since IS NOT NULL AS unused FROM number_lists')).toStrictEqual([
      { unused: true },
    ]);
    await forgetful.close();
  });
});
