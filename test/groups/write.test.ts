import { describe, expect, test } from '@jest/globals';
import { plainGroup, useTestApp } from '../support/test-app.ts';

const app = useTestApp();

const readRow = async (id: number) => (await app.sql('SELECT * FROM groups WHERE id = $1', [id]))[0];

describe('createGroup', () => {
  test('createGroup requires four fields, sets defaults for the others, and stores what it returns', async () => {
    const answer = await app.post('/createGroup', { group: plainGroup });

    expect(answer.status).toBe(200);
    const { id, createdAt, updatedAt, ...rest } = answer.body.data.createGroup;
    expect(rest).toStrictEqual({
      name: 'Plain',
      description: '',
      tagName: 'plain',
      duration: 30,
      price: '9.90',
      usernamePostfix: null,
      usernamePostfixId: null,
      dailyBandwidth: 'unlimited',
      multiLoginCount: 1,
      downloadUpload: 'unlimited',
      ip: null,
      hidden: false,
      protected: false,
      isRetired: false,
      retiresAt: null,
      version: 1,
      subscriberCount: 0,
      serviceGroup: null,
    });
    expect(createdAt).toBe(updatedAt);
    expect(Date.now() - Date.parse(createdAt)).toBeLessThan(60_000);
    expect(await readRow(id)).toMatchObject({ name: 'Plain', price: '9.9000', version: 1 });
  });

  test.each(['GroupEdit', 'GroupEdit!'])(
    "accepts the vendor's documented operation with a variable of type %s",
    async (type) => {
      const query = `mutation createGroup ($group: ${type}) { createGroup (group: $group) { name } }`;
      const answer = await app.graphql(query, { group: plainGroup });
      expect(answer.body).toStrictEqual({ data: { createGroup: { name: 'Plain' } } });
    },
  );

  test('createGroup treats null as an absent value', async () => {
    const answer = await app.post('/createGroup', {
      group: { ...plainGroup, dailyBandwidth: null, ip: null },
    });
    expect(answer.body.data.createGroup).toMatchObject({ dailyBandwidth: 'unlimited', ip: null });
  });

  test('createGroup trims strings and normalizes them to NFC', async () => {
    const answer = await app.post('/createGroup', {
      group: { ...plainGroup, name: '  Cafe\u0301 ', tagName: ' t ' },
    });
    expect(answer.body.data.createGroup).toMatchObject({ name: 'Caf\u00e9', tagName: 't' });
  });

  test.each([
    ['0', '0.00'],
    ['007.5', '7.50'],
    ['29.9', '29.90'],
    ['0.1000', '0.10'],
    ['0.125', '0.125'],
    ['0.0001', '0.0001'],
    ['999999999999.9999', '999999999999.9999'],
    // A floating-point number would lose digits.
    ['123456789012.3457', '123456789012.3457'],
  ])('createGroup stores the price %s exactly, as %s', async (price, written) => {
    const answer = await app.post('/createGroup', { group: { ...plainGroup, price } });
    expect(answer.body.data.createGroup.price).toBe(written);
  });

  test.each([
    'STATIC',
    'DYNAMIC',
    '192.0.2.1',
    '192.0.2.0/24',
    '0.0.0.0/0',
    '2001:db8::1',
    '2001:db8::/32',
    '::ffff:192.0.2.1',
    '::/0',
  ])('createGroup accepts the ip %s', async (ip) => {
    const answer = await app.post('/createGroup', { group: { ...plainGroup, ip } });
    expect(answer.body.data.createGroup.ip).toBe(ip);
  });

  test('createGroup accepts every field at its upper limit', async () => {
    const group = {
      name: '🦊'.repeat(128),
      description: 'd'.repeat(2000),
      tagName: 't'.repeat(64),
      duration: 2_147_483_647,
      price: '999999999999.9999',
      usernamePostfix: 'p'.repeat(64),
      usernamePostfixId: 'i'.repeat(64),
      dailyBandwidth: 'b'.repeat(64),
      multiLoginCount: 2_147_483_647,
      downloadUpload: 'u'.repeat(64),
    };
    expect((await app.post('/createGroup', { group })).body.data.createGroup).toMatchObject(group);
  });
});

describe('editGroup', () => {
  test('editGroup changes the fields that are sent and increments the version; all others are unchanged', async () => {
    const [id, other] = [await app.createGroup({ ip: 'STATIC' }), await app.createGroup()];
    const [before, otherBefore] = [await readRow(id), await readRow(other)];

    const answer = await app.post('/editGroup', { id, group: { price: '12.5', hidden: true } });

    expect(answer.status).toBe(200);
    expect(answer.body.data.editGroup).toMatchObject({
      id,
      price: '12.50',
      hidden: true,
      version: 2,
      ip: 'STATIC',
    });
    const after = await readRow(id);
    expect(after).toStrictEqual({
      ...before,
      price: '12.5000',
      hidden: true,
      version: 2,
      updated_at: after!['updated_at'],
    });
    expect(after!['updated_at']).not.toStrictEqual(before!['updated_at']);
    expect(await readRow(other)).toStrictEqual(otherBefore);
  });

  test('editGroup removes optional values with null', async () => {
    const id = await app.createGroup({ ip: 'STATIC', usernamePostfix: '@x', usernamePostfixId: 'x' });
    const group = { ip: null, usernamePostfix: null, usernamePostfixId: null, serviceGroupId: null };
    expect((await app.post('/editGroup', { id, group })).body.data.editGroup).toMatchObject({
      ip: null,
      usernamePostfix: null,
      usernamePostfixId: null,
    });
  });

  test('20 concurrent edits increment the version by 20', async () => {
    const id = await app.createGroup();
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => app.post('/editGroup', { id, group: { duration: i } })),
    );
    expect(await readRow(id)).toMatchObject({ version: 21 });
  });

  test.each(['GroupEdit', 'GroupEdit!'])(
    "accepts the vendor's documented operation with a variable of type %s",
    async (type) => {
      const id = await app.createGroup();
      const query = `mutation editGroup ($id: Int!, $group: ${type}) { editGroup (id: $id, group: $group) { name } }`;
      const answer = await app.graphql(query, { id, group: { name: 'New' } });
      expect(answer.body).toStrictEqual({ data: { editGroup: { name: 'New' } } });
    },
  );

  test('editGroup returns NOT_FOUND for a missing group', async () => {
    const answer = await app.post('/editGroup', { id: 2_000_000_000, group: { name: 'New' } });
    expect(answer.status).toBe(404);
    expect(answer.body.errors[0]).toMatchObject({
      message: 'Group not found',
      extensions: { code: 'NOT_FOUND' },
    });
  });
});
