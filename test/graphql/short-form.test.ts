import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createSchema } from '../../src/graphql/schema.ts';
import { future } from '../support/probes.ts';
import { createTestAccount } from '../support/test-accounts.ts';
import { openTestApp, plainGroup, twelveFields, type Json, type TestApp } from '../support/test-app.ts';

// POST /<operation> with the arguments only: the server writes the query.
let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

const schema = createSchema();
const operations = [schema.getQueryType()!, schema.getMutationType()!].flatMap((type) =>
  Object.values(type.getFields()),
);
/** The scope that an operation needs, and no other. */
const scopeOf = (name: string) =>
  /Scope: `(.+)`/.exec(operations.find((field) => field.name === name)!.description!)![1]!;

const service = 'id name description language discount';
const group = `${twelveFields} hidden protected isRetired retiresAt version subscriberCount createdAt updatedAt`;
const groupWithService = `${group} serviceGroup { ${service} }`;
const deleted = `id deletedAt deletedBy reason purgeAt subscribersMoved movedTo subscribersToReturn group { ${group} }`;
const subscriber = 'username groupId startsAt expiresAt status';
const event =
  'id at account credential address userAgent requestId operation targetIds outcome errorCode reason before after';
/** Without `totalCount`, which would count the whole list at each call. */
const page = (node: string) =>
  `nodes { ${node} } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }`;

/** Creates a service group and returns its id. */
const createServiceGroup = async () =>
  (await app.post('/createServiceGroup', { serviceGroup: { name: 'Family' } })).body.data.createServiceGroup
    .id as number;
/** Creates a group in a service group, with one subscriber, that is protected. */
const createBlockedGroup = async () => {
  const id = await app.createGroup({ serviceGroupId: await createServiceGroup(), protected: true });
  await app.post('/subscribe', { username: 'mina', groupId: id });
  return id;
};
const createDeletedGroup = async () => {
  const id = await app.createGroup();
  await app.post('/deleteGroup', { id });
  return id;
};
const createServedGroup = async () => app.createGroup({ serviceGroupId: await createServiceGroup() });

/** Creates a service group with a group, and returns the service group's id. */
const createServiceGroupWithGroup = async () => {
  const serviceGroupId = await createServiceGroup();
  await app.createGroup({ serviceGroupId });
  return serviceGroupId;
};

/** Every operation: its arguments, and the fields of its result. */
const shortForms: [name: string, prepare: () => Promise<object>, fields: string][] = [
  ['group', async () => ({ id: await createServedGroup() }), groupWithService],
  ['groups', async () => ({ serviceGroupId: await createServiceGroupWithGroup() }), groupWithService],
  ['registrationGroups', async () => ({}), groupWithService],
  ['allGroups', async () => ({}), groupWithService],
  [
    'searchGroups',
    async () => ({ filter: { serviceGroupId: await createServiceGroupWithGroup() } }),
    page(groupWithService),
  ],
  [
    'groupDeletionImpact',
    async () => ({ id: await createBlockedGroup() }),
    `group { ${group} } activeSubscribers pendingSubscribers endedSubscribers canDelete blockers { code message } retirement`,
  ],
  ['deletedGroup', async () => ({ id: await createDeletedGroup() }), deleted],
  [
    'deletedGroups',
    async () => {
      await createDeletedGroup();
      return {};
    },
    page(deleted),
  ],
  ['auditEvents', async () => ({ filter: { operation: 'createServiceGroup' } }), page(event)],
  ['serviceGroup', async () => ({ id: await createServiceGroup() }), service],
  ['serviceGroups', async () => ({}), service],
  ['deleteGroup', async () => ({ id: await createServedGroup() }), groupWithService],
  ['deleteGroups', async () => ({ ids: [await createServedGroup()] }), groupWithService],
  [
    'restoreGroup',
    async () => {
      const id = await createServedGroup();
      await app.post('/deleteGroup', { id });
      return { id };
    },
    groupWithService,
  ],
  ['retireGroup', async () => ({ id: await createServedGroup(), at: future }), groupWithService],
  [
    'cancelRetirement',
    async () => {
      const id = await createServedGroup();
      await app.post('/retireGroup', { id, at: future });
      return { id };
    },
    groupWithService,
  ],
  ['purgeDeletedGroup', async () => ({ id: await createDeletedGroup() }), deleted],
  ['subscribe', async () => ({ username: 'omid', groupId: await app.createGroup() }), subscriber],
  [
    'removeUserSubscription',
    async () => {
      const args = { username: 'omid', groupId: await app.createGroup() };
      await app.post('/subscribe', args);
      return args;
    },
    subscriber,
  ],
  [
    'moveSubscribers',
    async () => ({ fromGroupId: await app.createGroup(), toGroupId: await app.createGroup() }),
    'movedCount',
  ],
  [
    'createGroup',
    async () => ({ group: { ...plainGroup, serviceGroupId: await createServiceGroup() } }),
    groupWithService,
  ],
  ['editGroup', async () => ({ id: await createServedGroup(), group: { hidden: false } }), groupWithService],
  ['createServiceGroup', async () => ({ serviceGroup: { name: 'Family' } }), service],
  [
    'editServiceGroup',
    async () => ({ id: await createServiceGroup(), serviceGroup: { name: 'Friends' } }),
    service,
  ],
  ['deleteServiceGroup', async () => ({ id: await createServiceGroup() }), service],
];

/** The columns of the audit log that contain any JSON. */
const jsonFields = ['before', 'after'];

/** Writes the fields of a result as a sorted selection; those of a list are the fields of its last entry. */
function selectionOf(value: Json): string {
  const entries = Object.entries(Array.isArray(value) ? value.at(-1) : value);
  return sorted(
    entries.map(([name, below]) =>
      jsonFields.includes(name) || !isObject(below) ? name : `${name} { ${selectionOf(below)} }`,
    ),
  );
}
const isObject = (value: unknown) =>
  typeof (Array.isArray(value) ? value[0] : value) === 'object' && value !== null;
const sorted = (fields: string[]) => fields.toSorted().join(' ');

/** Sorts the fields of a written selection at each level, as `selectionOf` does. */
function sortSelection(text: string): string {
  const fields = text.match(/\w+( \{([^{}]|\{[^{}]*\})*\})?/g) ?? [];
  return sorted(
    fields.map((field) => {
      const [, name, below] = /^(\w+) \{ (.*) \}$/.exec(field) ?? [];
      return below === undefined ? field : `${name} { ${sortSelection(below)} }`;
    }),
  );
}

test('the table has every operation', () => {
  expect(shortForms.map(([name]) => name)).toStrictEqual(operations.map(({ name }) => name));
});

describe.each(shortForms)('POST /%s with arguments only', (name, prepare, fields) => {
  test(`${name} returns the scalars and, one level deep, its objects, to an account with its scope only`, async () => {
    const { byKey } = await createTestAccount(app, { username: name, scopes: [scopeOf(name)] });
    const args = await prepare();

    const { status, body } = await app.post(`/${name}`, args, byKey);

    expect([status, body.errors]).toStrictEqual([200, undefined]);
    expect(selectionOf(body.data[name])).toBe(sortSelection(fields));
  });
});

test('without any entry, the short form of a list returns an empty list', async () => {
  const { body } = await app.post('/searchGroups', { filter: { text: 'no such group' } });
  expect(body.data.searchGroups).toMatchObject({ nodes: [] });
});

describe('errors of the short form', () => {
  test.each([
    ['an error of the operation', { id: 2_000_000_000 }, 404],
    ['an argument of another type', { id: 'seven' }, 400],
    ['an invalid argument', { variables: { id: 0 } }, 400],
  ])('%s has no position in the query, which the server wrote', async (_what, body, status) => {
    const answer = await app.post('/deleteGroup', body);
    expect(answer.status).toBe(status);
    expect(answer.body.errors).toHaveLength(1);
    expect(answer.body.errors[0]).not.toHaveProperty('locations');
  });

  test('an error in a query of the caller has its position, at /graphql and at /<operation>', async () => {
    const query = 'mutation { deleteGroup(id: 2000000000) { id } }';
    for (const path of ['/graphql', '/deleteGroup']) {
      const { body } = await app.post(path, { query });
      expect(body.errors[0].locations).toStrictEqual([{ line: 1, column: 12 }]);
    }
  });
});
