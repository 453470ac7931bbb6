import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { twelveFields, useTestApp } from '../support/test-app.ts';

const app = useTestApp();

// Exactly as in the vendor's document, including line breaks.
const seedMutation = `mutation deleteGroup ($id: Int!) {
deleteGroup (id: $id) {
id
name
description
tagName
duration
price
usernamePostfix
usernamePostfixId
dailyBandwidth
multiLoginCount
downloadUpload
ip
}
}`;

const fullGroup = {
  name: 'Gold',
  description: 'A year of everything',
  tagName: 'gold',
  duration: 365,
  price: '129.5',
  usernamePostfix: '@gold',
  usernamePostfixId: 'g7',
  dailyBandwidth: '10GB',
  multiLoginCount: 3,
  downloadUpload: '100/100',
  ip: '203.0.113.7',
};

describe.each(['/graphql', '/deleteGroup'])('deleteGroup at %s', (path) => {
  test('deleteGroup deletes the group and returns the twelve documented fields; other groups are unchanged', async () => {
    const [before, id, after] = [
      await app.createGroup(),
      await app.createGroup(fullGroup),
      await app.createGroup(),
    ];
    const others = await app.sql('SELECT * FROM groups WHERE id <> $1 ORDER BY id', [id]);

    const answer = await app.post(path, { query: seedMutation, variables: { id } });

    expect(answer.status).toBe(200);
    expect(answer.body).toStrictEqual({ data: { deleteGroup: { id, ...fullGroup, price: '129.50' } } });
    expect(await app.sql('SELECT * FROM groups ORDER BY id')).toStrictEqual(others);
    expect(others.map((row) => row['id'])).toEqual(expect.arrayContaining([before, after]));
  });

  test('deleteGroup returns NOT_FOUND for a deleted group and for an unknown id', async () => {
    const id = await app.createGroup();
    await app.post(path, { query: seedMutation, variables: { id } });

    for (const missing of [id, 2_147_483_647]) {
      const answer = await app.post(path, { query: seedMutation, variables: { id: missing } });
      expect(answer.status).toBe(path === '/graphql' ? 200 : 404);
      expect(answer.body).toStrictEqual({
        errors: [
          {
            message:
              missing === id
                ? expect.stringMatching(/^Group not found: group \d+ was deleted on /)
                : 'Group not found',
            locations: [{ line: 2, column: 1 }],
            path: ['deleteGroup'],
            extensions: { code: 'NOT_FOUND', id: missing },
          },
        ],
        data: { deleteGroup: null },
      });
    }
  });

  test("the vendor's documented variables, with the id 0, return BAD_USER_INPUT", async () => {
    const answer = await app.post(path, { query: seedMutation, variables: { id: 0 } });

    expect(answer.status).toBe(path === '/graphql' ? 200 : 400);
    expect(answer.body.errors[0]).toMatchObject({
      message: 'Group id must be a positive integer',
      extensions: { code: 'BAD_USER_INPUT', argument: 'id' },
    });
  });
});

test("the operation of these tests is the vendor's documented example", () => {
  expect(readFileSync(new URL('../support/delete-group-api.txt', import.meta.url), 'utf8')).toContain(
    seedMutation,
  );
});

test('a protected group is not deleted until its protection is lifted', async () => {
  const id = await app.createGroup({ protected: true });

  const refused = await app.post('/deleteGroup', { id });
  expect(refused.status).toBe(409);
  expect(refused.body.errors[0]).toMatchObject({
    message: 'Cannot delete a protected group',
    extensions: { code: 'GROUP_PROTECTED' },
  });
  expect(await app.sql('SELECT id FROM groups WHERE id = $1', [id])).toHaveLength(1);

  await app.post('/editGroup', { id, group: { protected: false } });
  expect((await app.post('/deleteGroup', { id })).status).toBe(200);
});

test('of 100 concurrent deletes of one id, exactly one returns the group', async () => {
  const id = await app.createGroup(fullGroup);

  const answers = await Promise.all(Array.from({ length: 100 }, () => app.post('/deleteGroup', { id })));

  const winners = answers.filter(({ status }) => status === 200);
  const losers = answers.filter(({ body }) => body.errors?.[0].extensions.code === 'NOT_FOUND');
  expect(winners).toHaveLength(1);
  expect(winners[0]!.body.data.deleteGroup).toMatchObject({ id, ...fullGroup, price: '129.50' });
  expect(losers).toHaveLength(99);
});

test('of two deletes with aliases in one request, the failed one does not remove the result of the other', async () => {
  const id = await app.createGroup();
  const query = `mutation ($id: Int!, $gone: Int!) { gone: deleteGroup(id: $gone) { id } here: deleteGroup(id: $id) { id } }`;

  const answer = await app.graphql(query, { id, gone: 2_000_000_000 });

  expect(answer.status).toBe(200);
  expect(answer.body.data).toStrictEqual({ gone: null, here: { id } });
  expect(answer.body.errors).toHaveLength(1);
  expect(answer.body.errors[0]).toMatchObject({ path: ['gone'], extensions: { code: 'NOT_FOUND' } });
  expect(await app.sql('SELECT id FROM groups WHERE id = $1', [id])).toHaveLength(0);
});

test('the id of a deleted group is never reused', async () => {
  const id = await app.createGroup();
  await app.post('/deleteGroup', { id });

  expect(await app.createGroup()).toBeGreaterThan(id);
});

describe('deleteGroup with an id from a nullable variable', () => {
  const query = `mutation deleteGroup ($id: Int) { deleteGroup (id: $id) { ${twelveFields} } }`;

  test('deleteGroup accepts an id from a nullable variable', async () => {
    const id = await app.createGroup();
    expect((await app.graphql(query, { id })).body.data.deleteGroup.id).toBe(id);
  });

  test.each([[{}], [{ id: null }]])(
    'deleteGroup rejects a nullable variable without a value: %j',
    async (variables) => {
      const answer = await app.graphql(query, variables);
      expect(answer.body.errors[0].extensions).toStrictEqual({ code: 'BAD_USER_INPUT', argument: 'id' });
    },
  );
});
