import { beforeAll, describe, expect, test } from '@jest/globals';
import { plainGroup, useTestApp } from '../support/test-app.ts';

const app = useTestApp();

/** A bad value for a field of GroupEdit, and whether null is bad for `editGroup` only. */
const badFields: [string, unknown][] = [
  ['name', ''],
  ['name', ' \t '],
  ['name', '\u00a0'],
  ['name', 'n'.repeat(129)],
  ['name', '🦊'.repeat(129)],
  ['name', 'a\u0000b'],
  ['name', 'a\nb'],
  ['name', 'a\u007fb'],
  ['name', 'a\u0085b'],
  ['name', 'a\ud800b'],
  ['name', 7],
  ['name', true],
  ['name', ['a']],
  ['description', 'd'.repeat(2001)],
  ['description', 'a\u0000b'],
  ['description', 'a\u000bb'],
  ['description', 1],
  ['tagName', ''],
  ['tagName', '   '],
  ['tagName', 't'.repeat(65)],
  ['tagName', 'a\u001bb'],
  ['duration', -1],
  ['duration', 1.5],
  ['duration', 2_147_483_648],
  ['duration', '30'],
  ['duration', true],
  ['price', ''],
  ['price', '-1'],
  ['price', '-0.01'],
  ['price', '+1'],
  ['price', '1e3'],
  ['price', '1,50'],
  ['price', '1.'],
  ['price', '.5'],
  ['price', '0x10'],
  ['price', 'NaN'],
  ['price', 'Infinity'],
  ['price', '1.00001'],
  ['price', '1000000000000'],
  ['price', '9.90 EUR'],
  ['price', '١٢'],
  ['price', 9.9],
  ['price', 10],
  ['usernamePostfix', 'p'.repeat(65)],
  ['usernamePostfix', 'a\u0000'],
  ['usernamePostfixId', 'i'.repeat(65)],
  ['usernamePostfixId', 'a\u0007b'],
  ['dailyBandwidth', ''],
  ['dailyBandwidth', 'b'.repeat(65)],
  ['dailyBandwidth', 'a\u200bb'],
  ['dailyBandwidth', 'a\u0000b'],
  ['multiLoginCount', -1],
  ['multiLoginCount', 0.5],
  ['multiLoginCount', 2_147_483_648],
  ['multiLoginCount', '2'],
  ['downloadUpload', ''],
  ['downloadUpload', 'u'.repeat(65)],
  ['downloadUpload', 'a\u202eb'],
  ['ip', ''],
  ['ip', 'static'],
  ['ip', 'localhost'],
  ['ip', '256.0.0.1'],
  ['ip', '1.2.3'],
  ['ip', '192.0.2.0/33'],
  ['ip', '2001:db8::/129'],
  ['ip', '192.0.2.0/'],
  ['ip', '192.0.2.0/-1'],
  ['ip', 'fe80::1%eth0'],
  ['ip', ':::'],
  ['ip', 'STATIC;DROP TABLE groups'],
  ['serviceGroupId', 0],
  ['serviceGroupId', -1],
  ['serviceGroupId', 2_000_000_000],
  ['serviceGroupId', '1'],
  ['hidden', 'true'],
  ['hidden', 1],
  ['protected', 'no'],
  ['protected', 0],
];

const notNullable = [
  'name',
  'description',
  'tagName',
  'duration',
  'price',
  'dailyBandwidth',
  'multiLoginCount',
];
const badEdits: [string, unknown][] = [
  ...badFields,
  ...[...notNullable, 'downloadUpload', 'hidden', 'protected'].map((field): [string, null] => [field, null]),
];

test('the tables of bad inputs have their minimum length', () => {
  expect(badFields.length).toBeGreaterThanOrEqual(60);
});

describe('bad values, which are rejected with their argument', () => {
  let id: number;
  beforeAll(async () => {
    id = await app.createGroup();
  });
  const readAll = () => app.sql('SELECT * FROM groups ORDER BY id');

  test.each(badFields)('createGroup rejects %s %j, and creates nothing', async (field, value) => {
    const before = await readAll();
    const answer = await app.post('/createGroup', { group: { ...plainGroup, [field]: value } });
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].extensions).toStrictEqual({
      code: 'BAD_USER_INPUT',
      argument: `group.${field}`,
    });
    expect(await readAll()).toStrictEqual(before);
  });

  test.each(badEdits)('editGroup rejects %s %j, and changes nothing', async (field, value) => {
    const before = await readAll();
    const answer = await app.post('/editGroup', { id, group: { [field]: value } });
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].extensions).toStrictEqual({
      code: 'BAD_USER_INPUT',
      argument: `group.${field}`,
    });
    expect(await readAll()).toStrictEqual(before);
  });

  test.each(['name', 'tagName', 'duration', 'price'])(
    'createGroup without %s is rejected, and creates nothing',
    async (field) => {
      const before = await readAll();
      const { [field as 'name']: _, ...group } = plainGroup;
      const answer = await app.post('/createGroup', { group });
      expect(answer.body.errors[0]).toMatchObject({
        message: `group.${field} is required`,
        extensions: { code: 'BAD_USER_INPUT', argument: `group.${field}` },
      });
      expect(await readAll()).toStrictEqual(before);
    },
  );

  test.each([
    ['createGroup', {}, 'group'],
    ['createGroup', { group: null }, 'group'],
    ['createGroup', { group: [] }, 'group'],
    ['createGroup', { group: { ...plainGroup, size: 1 } }, 'group'],
    ['createGroup', { group: { ...plainGroup, id: 1 } }, 'group'],
    ['editGroup', { group: { name: 'x' } }, 'id'],
    ['editGroup', { id: 0, group: { name: 'x' } }, 'id'],
    ['editGroup', { id: 1.5, group: { name: 'x' } }, 'id'],
    ['editGroup', { id: 1, group: {} }, 'group'],
    ['editGroup', { id: 1, group: null }, 'group'],
    ['editGroup', { id: 1 }, 'group'],
    ['deleteGroup', {}, 'id'],
    ['deleteGroup', { id: null }, 'id'],
    ['deleteGroup', { id: 0 }, 'id'],
    ['deleteGroup', { id: -1 }, 'id'],
    ['deleteGroup', { id: 2_147_483_648 }, 'id'],
    ['deleteGroup', { id: 1.5 }, 'id'],
    ['deleteGroup', { id: '1' }, 'id'],
    ['deleteGroup', { id: true }, 'id'],
    ['deleteGroup', { id: [1, 2] }, 'id'],
    ['deleteGroup', { id: { gt: 0 } }, 'id'],
  ])('%s %j is rejected, and changes nothing', async (operation, args, argument) => {
    const before = await readAll();
    const answer = await app.post(`/${operation}`, { variables: args });
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].extensions).toStrictEqual({ code: 'BAD_USER_INPUT', argument });
    expect(await readAll()).toStrictEqual(before);
  });
});
