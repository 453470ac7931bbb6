import { beforeAll, describe, expect, test } from '@jest/globals';
import { openTestApp, twelveFields, useTestApp } from '../support/test-app.ts';

const app = useTestApp();
let [personal, empty, first, second, hidden]: number[] = [];

beforeAll(async () => {
  const createServiceGroup = async (name: string) =>
    (await app.post('/createServiceGroup', { serviceGroup: { name } })).body.data.createServiceGroup.id;
  personal = await createServiceGroup('Personal');
  empty = await createServiceGroup('Empty');
  first = await app.createGroup({ name: 'First', serviceGroupId: personal });
  second = await app.createGroup({ name: 'Second' });
  hidden = await app.createGroup({ name: 'Hidden', serviceGroupId: personal, hidden: true });
});

const namesOf = (groups: { name: string }[]) => groups.map(({ name }) => name);

describe('group', () => {
  test.each(['Int', 'Int!'])(
    "group accepts the vendor's documented operation with a variable of type %s",
    async (type) => {
      const answer = await app.graphql(`query group ($id: ${type}) { group (id: $id) { ${twelveFields} } }`, {
        id: first,
      });
      expect(answer.body).toStrictEqual({
        data: {
          group: {
            id: first,
            name: 'First',
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
          },
        },
      });
    },
  );

  test('group returns NOT_FOUND for a missing group, and BAD_USER_INPUT for an invalid id', async () => {
    expect((await app.post('/group', { id: 2_000_000_000 })).status).toBe(404);
    expect((await app.post('/group', { id: -1 })).status).toBe(400);
    expect((await app.post('/group', {})).status).toBe(400);
  });
});

describe('lists', () => {
  test.each(['Int', 'Int!'])(
    'groups returns the groups of one service group, with a variable of type %s',
    async (type) => {
      const query = `query groups ($serviceGroupId: ${type}) { groups (serviceGroupId: $serviceGroupId) { ${twelveFields} } }`;
      const answer = await app.graphql(query, { serviceGroupId: personal });
      expect(namesOf(answer.body.data.groups)).toStrictEqual(['First', 'Hidden']);
    },
  );

  test('groups is empty for an empty service group, and returns NOT_FOUND for a missing one', async () => {
    expect((await app.post('/groups', { serviceGroupId: empty })).body).toStrictEqual({
      data: { groups: [] },
    });
    expect((await app.post('/groups', { serviceGroupId: 2_000_000_000 })).status).toBe(404);
    expect((await app.post('/groups', {})).body.errors[0].extensions.argument).toBe('serviceGroupId');
  });

  test('registrationGroups excludes hidden groups', async () => {
    const answer = await app.graphql(`query registrationGroups { registrationGroups { ${twelveFields} } }`);
    expect(namesOf(answer.body.data.registrationGroups)).toStrictEqual(['First', 'Second']);
  });

  test('allGroups returns all groups with their service groups', async () => {
    const answer = await app.graphql('query allGroups { allGroups { id serviceGroup { id name } } }');
    expect(answer.body.data.allGroups).toStrictEqual([
      { id: first, serviceGroup: { id: personal, name: 'Personal' } },
      { id: second, serviceGroup: null },
      { id: hidden, serviceGroup: { id: personal, name: 'Personal' } },
    ]);
  });

  test('a list over the limit is rejected with the operation to use instead, not truncated', async () => {
    const other = await openTestApp();
    try {
      const insert = `INSERT INTO groups (name, tag_name, duration, price) SELECT 'g' || n, 't', 1, 1 FROM generate_series(1, $1) n`;
      await other.sql(insert, [10_000]);
      expect((await other.graphql('{ allGroups { id } }')).body.data.allGroups).toHaveLength(10_000);
      await other.sql(insert, [1]);
      const answer = await other.post('/allGroups', {});
      expect(answer.status).toBe(400);
      expect(answer.body.errors[0]).toMatchObject({
        message: expect.stringContaining('Use searchGroups'),
        extensions: { code: 'QUERY_TOO_COMPLEX', limit: 'list length', maximum: 10_000 },
      });
      // One long list is read at a time: a rejected one does not stop those after it.
      await other.sql('DELETE FROM groups WHERE id > 1000');
      const lists = await Promise.all(
        [1, 2, 3].map(() => other.graphql('{ a: allGroups { id } b: allGroups { id } }')),
      );
      for (const { body } of lists) {
        expect(body.data.a).toHaveLength(1000);
        expect(body.data.b).toStrictEqual(body.data.a);
      }
    } finally {
      await other.close();
    }
  });
});
