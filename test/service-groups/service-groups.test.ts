import { describe, expect, test } from '@jest/globals';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();

const family = { name: 'Family', description: 'Shared', language: 'English', discount: 12.5 };
const create = async (serviceGroup: object = family): Promise<number> =>
  (await app.post('/createServiceGroup', { serviceGroup })).body.data.createServiceGroup.id;
const readAll = () => app.sql('SELECT * FROM service_groups ORDER BY id');

test('service groups can be created, read, edited and listed', async () => {
  const id = await create();
  const plain = await create({ name: 'Plain' });

  const read = await app.post('/serviceGroup', { id });
  expect(read.body).toStrictEqual({ data: { serviceGroup: { id, ...family } } });

  const edited = await app.post('/editServiceGroup', { id, serviceGroup: { discount: 20, language: null } });
  expect(edited.body).toStrictEqual({
    data: { editServiceGroup: { id, ...family, discount: 20, language: null } },
  });

  const list = await app.post('/serviceGroups', {});
  expect(list.body.data.serviceGroups).toStrictEqual([
    { id, ...family, discount: 20, language: null },
    { id: plain, name: 'Plain', description: '', language: null, discount: 0 },
  ]);
});

describe('deleteServiceGroup', () => {
  test('deleteServiceGroup deletes the service group and returns the deleted row; others are unchanged', async () => {
    const others = await readAll();
    const id = await create();
    const answer = await app.post('/deleteServiceGroup', { id });
    expect(answer.body).toStrictEqual({ data: { deleteServiceGroup: { id, ...family } } });
    expect(await readAll()).toStrictEqual(others);
    expect((await app.post('/deleteServiceGroup', { id })).status).toBe(404);
  });

  test('deleteServiceGroup rejects a service group that has groups, with their number', async () => {
    const id = await create();
    await app.createGroup({ serviceGroupId: id });
    await app.createGroup({ serviceGroupId: id });
    const before = await readAll();

    const answer = await app.post('/deleteServiceGroup', { id });

    expect(answer.status).toBe(409);
    expect(answer.body.errors[0]).toMatchObject({
      message:
        `Cannot delete a service group that still has groups: service group ${id} has 2. ` +
        'Change their serviceGroupId with editGroup',
      extensions: { code: 'HAS_GROUPS', groupCount: 2 },
    });
    expect(await readAll()).toStrictEqual(before);
  });
});

test.each([
  ['serviceGroup', { id: 2_000_000_000 }, 404, 'NOT_FOUND', undefined],
  ['editServiceGroup', { id: 2_000_000_000, serviceGroup: { name: 'x' } }, 404, 'NOT_FOUND', undefined],
  ['deleteServiceGroup', { id: 2_000_000_000 }, 404, 'NOT_FOUND', undefined],
  ['serviceGroup', { id: 0 }, 400, 'BAD_USER_INPUT', 'id'],
  ['deleteServiceGroup', {}, 400, 'BAD_USER_INPUT', 'id'],
  ['editServiceGroup', { id: 1, serviceGroup: {} }, 400, 'BAD_USER_INPUT', 'serviceGroup'],
  ['createServiceGroup', {}, 400, 'BAD_USER_INPUT', 'serviceGroup'],
  ['createServiceGroup', { serviceGroup: {} }, 400, 'BAD_USER_INPUT', 'serviceGroup.name'],
  ['createServiceGroup', { serviceGroup: { name: ' ' } }, 400, 'BAD_USER_INPUT', 'serviceGroup.name'],
  [
    'createServiceGroup',
    { serviceGroup: { ...family, discount: -1 } },
    400,
    'BAD_USER_INPUT',
    'serviceGroup.discount',
  ],
  [
    'createServiceGroup',
    { serviceGroup: { ...family, discount: 100.1 } },
    400,
    'BAD_USER_INPUT',
    'serviceGroup.discount',
  ],
  [
    'createServiceGroup',
    { serviceGroup: { ...family, discount: '5' } },
    400,
    'BAD_USER_INPUT',
    'serviceGroup.discount',
  ],
  [
    'createServiceGroup',
    { serviceGroup: { ...family, language: '' } },
    400,
    'BAD_USER_INPUT',
    'serviceGroup.language',
  ],
  ['editServiceGroup', { id: 1, serviceGroup: { name: null } }, 400, 'BAD_USER_INPUT', 'serviceGroup.name'],
])('%s %j returns %i %s and changes nothing', async (operation, args, status, code, argument) => {
  const before = await readAll();
  const answer = await app.post(`/${operation}`, args);
  expect(answer.status).toBe(status);
  const { id } = args as { id?: number };
  expect(answer.body.errors[0].extensions).toStrictEqual(argument ? { code, argument } : { code, id });
  expect(await readAll()).toStrictEqual(before);
});
