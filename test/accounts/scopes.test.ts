import { describe, expect, test } from '@jest/globals';
import { getDirectiveValues, getNamedType, isObjectType, type GraphQLObjectType } from 'graphql';
import { createSchema } from '../../src/graphql/schema.ts';
import { isRepresentative, issuer, operations, services, testAccess } from '../support/access-matrix.ts';
import { startServer } from '../support/server-process.ts';
import { createTestAccount } from '../support/test-accounts.ts';
import { useTestApp } from '../support/test-app.ts';

// Some operations, for every kind of caller: matrix.test.ts has the others.
const schema = createSchema();
/** The scopes of the contract: the test compares the schema with them. */
const scopeOf: Record<string, string> = {
  ...Object.fromEntries(
    [
      'group',
      'groups',
      'registrationGroups',
      'allGroups',
      'searchGroups',
      'groupDeletionImpact',
      'deletedGroup',
      'deletedGroups',
      'serviceGroup',
      'serviceGroups',
    ].map((name) => [name, 'groups:read']),
  ),
  createGroup: 'groups:write',
  editGroup: 'groups:write',
  createServiceGroup: 'groups:write',
  editServiceGroup: 'groups:write',
  deleteGroup: 'groups:delete',
  deleteGroups: 'groups:delete',
  retireGroup: 'groups:delete',
  cancelRetirement: 'groups:delete',
  restoreGroup: 'groups:delete',
  purgeDeletedGroup: 'groups:delete',
  deleteServiceGroup: 'groups:delete',
  subscribe: 'subscribers:write',
  removeUserSubscription: 'subscribers:write',
  moveSubscribers: 'subscribers:write',
  auditEvents: 'audit:read',
};
const app = useTestApp({ ...issuer.settings, FAILED_SIGN_INS_PER_MINUTE: 1_000_000 });

const { sendTo, headersFor } = testAccess(
  () => app,
  operations.filter(({ name }) => isRepresentative(name)),
  services.filter(({ service }) => isRepresentative(service)),
);

test('every operation declares the scope of the contract', () => {
  expect(Object.fromEntries(operations.map(({ name, scope }) => [name, scope]))).toStrictEqual(scopeOf);
});

test("fields that cross between groups and subscribers require the target's scope", () => {
  const familyOf = (type: GraphQLObjectType) => /Group|Subscriber|Audit/.exec(type.name)?.[0];
  const objects = Object.values(schema.getTypeMap()).filter(isObjectType);
  const crossings = objects
    .filter((type) => familyOf(type) !== undefined)
    .flatMap((type) =>
      Object.values(type.getFields())
        .filter(({ type: target }) => {
          const named = getNamedType(target);
          return isObjectType(named) && familyOf(named) !== undefined && familyOf(named) !== familyOf(type);
        })
        .map((field) => [
          `${type.name}.${field.name}`,
          getDirectiveValues(schema.getDirective('requiresScope')!, field.astNode!)?.['scope'],
        ]),
    );
  expect(Object.fromEntries(crossings)).toStrictEqual({
    'Group.subscribers': 'subscribers:read',
    'Subscriber.group': 'groups:read',
    'MoveSubscribersPayload.from': 'groups:read',
    'MoveSubscribersPayload.to': 'groups:read',
  });
});

test('a mutation without the required scope is rejected and recorded in the audit', async () => {
  const headers = headersFor('a key with the wrong scope', 'groups:delete');
  await sendTo('/deleteGroup', { ...headers, 'X-Request-Id': 'forbidden' }, { id: 5, reason: 'because' });
  const rows = await app.sql(
    `SELECT account, credential, operation, target_ids, outcome, error_code, reason FROM audit_events
     WHERE request_id = 'forbidden'`,
  );
  expect(rows).toStrictEqual([
    {
      account: 'wrong-groups-delete',
      credential: 'api-key',
      operation: 'deleteGroup',
      target_ids: ['5'],
      outcome: 'refused',
      error_code: 'FORBIDDEN',
      reason: 'because',
    },
  ]);
});

describe('an account without the scope cannot find out which groups exist', () => {
  test.each([['deleteGroup'], ['group'], ['groupDeletionImpact'], ['restoreGroup']])(
    '%s returns the same error for an existing and a missing group',
    async (name) => {
      const id = await app.createGroup();
      const scope = operations.find((each) => each.name === name)!.scope;
      const headers = headersFor('a key with the wrong scope', scope);
      const [there, missing] = await Promise.all(
        [id, 2_000_000_000, -1].map((each) => sendTo(`/${name}`, headers, { id: each })),
      );
      expect(there!.status).toBe(403);
      expect(there!.body).toStrictEqual(missing!.body);
    },
  );

  test('a mutation whose selection requires another scope is rejected before it is executed', async () => {
    const id = await app.createGroup();
    const { byKey } = await createTestAccount(app, { username: 'deleter', scopes: ['groups:delete'] });
    const queries = [
      `mutation { deleteGroup(id: ${id}) { id subscribers { totalCount } } }`,
      `mutation { deleteGroup(id: ${id}) { id ...F } } fragment F on Group { ... { s: subscribers { nodes { username } } } }`,
    ];
    for (const query of queries) {
      const { body } = await sendTo('/graphql', byKey, { query });
      expect(body).toStrictEqual({
        errors: [
          expect.objectContaining({
            path: ['deleteGroup'],
            extensions: { code: 'FORBIDDEN', requiredScope: 'subscribers:read' },
          }),
        ],
        data: { deleteGroup: null },
      });
    }
    expect((await sendTo('/deleteGroup', byKey, { id })).body.data.deleteGroup.id).toBe(id);
  });
});

test('the usernames on both groups are returned only to accounts that may read subscribers', async () => {
  const [from, to] = [await app.createGroup(), await app.createGroup()];
  for (const groupId of [from, to]) await app.post('/subscribe', { username: 'mina', groupId });
  const ask = async (username: string, granted: string[]) => {
    const { byKey } = await createTestAccount(app, { username, scopes: granted });
    return (await sendTo('/deleteGroup', byKey, { id: from, moveSubscribersTo: to })).body.errors[0]
      .extensions;
  };
  expect(await ask('blind', ['groups:delete'])).toStrictEqual({ code: 'ALREADY_EXISTS', count: 1 });
  expect(await ask('seeing', ['groups:delete', 'subscribers:read'])).toMatchObject({ usernames: ['mina'] });
});

test('a server whose ADMIN_API_KEY is the key of another account does not start', async () => {
  const apiKey = 'the-key-of-twin-with-more-than-32-characters';
  await createTestAccount(app, { username: 'twin', apiKey });
  const start = () => startServer({ DATABASE_URL: app.url, ADMIN_API_KEY: apiKey }).exited;
  const rejected = {
    code: 1,
    stderr: expect.stringContaining(
      'ADMIN_API_KEY is already the key of another account: set it to a different key',
    ),
  };
  expect(await start()).toMatchObject(rejected);
  await app.sql(`DELETE FROM accounts WHERE username = 'admin'`);
  expect(await start()).toMatchObject(rejected);
});
