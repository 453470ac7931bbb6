import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { getDirectiveValues, getNamedType, isObjectType, type GraphQLObjectType } from 'graphql';
import { allScopes } from '../src/accounts/scopes.ts';
import { createSchema } from '../src/graphql/schema.ts';
import { createProbes, past } from './support/probes.ts';
import { basic, bearer, createTestAccount, createTokenIssuer } from './support/test-accounts.ts';
import { openTestApp, type ApiResponse, type TestApp } from './support/test-app.ts';

// Every root field of the schema, at both endpoints, for every kind of caller. New fields are included automatically.
const schema = createSchema();
const operations = (['query', 'mutation'] as const).flatMap((kind) => {
  const type = kind === 'query' ? schema.getQueryType()! : schema.getMutationType()!;
  return Object.values(type.getFields()).map(({ name, description }) => ({
    name,
    query: `${kind} { ${name} { __typename } }`,
    scope: /Scope: `(.+)`/.exec(description!)![1]!,
  }));
});
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
  restoreGroup: 'groups:delete',
  purgeDeletedGroup: 'groups:delete',
  deleteServiceGroup: 'groups:delete',
  subscribe: 'subscribers:write',
  removeUserSubscription: 'subscribers:write',
  moveSubscribers: 'subscribers:write',
  auditEvents: 'audit:read',
};
/** The REST API of the autodialer: the scope of a service is its path. */
const services = ['add', 'update', 'remove', 'search', 'upload'].map((service) => ({
  service,
  scope: `autodialer/groups/${service}`,
}));
const scopes = [...new Set([...operations, ...services].map(({ scope }) => scope))];

const password = 'Aa123456';
const issuer = createTokenIssuer();
const { readState } = createProbes(() => app);
type Headers = Record<string, string>;
/** The request headers of each kind of caller, by scope. */
const headersOf = new Map<string, (scope: string) => Headers>();
let app: TestApp;

beforeAll(async () => {
  app = await openTestApp({ ...issuer.settings, FAILED_SIGN_INS_PER_MINUTE: 1_000_000 });
  const create = (username: string, account = {}) =>
    createTestAccount(app, { username, password, ...account });
  const everything = { scopes: ['*'] };

  const all = await create('all', everything);
  const both = await create('both', { ...everything, requiresBoth: true });
  const expired = await create('expired', { ...everything, expiresAt: past });
  const disabled = await create('disabled', { ...everything, disabled: true });
  const elsewhere = await create('elsewhere', {
    ...everything,
    allowedNetworks: ['10.0.0.0/8', '2001:db8::/32'],
  });
  const other = generateKeyPairSync('ed25519').privateKey;
  const fixed: Record<string, Headers> = {
    'no credential': {},
    'an unknown key': { 'X-APIKEY': `${all.apiKey}x` },
    'a wrong password': basic('all', `${password}x`),
    'an unknown username': basic('nobody', password),
    'a key without the password that is required too': both.byKey,
    'a password without the key that is required too': both.byPassword,
    "a key and another account's password": { ...all.byKey, ...both.byPassword },
    'a disabled account': disabled.byKey,
    'a disabled account with its password': disabled.byPassword,
    'an expired account': expired.byBoth,
    'an expired token': bearer(await issuer.issue({ scope: '*', exp: 1 })),
    'a token that another issuer signed': bearer(await issuer.issue({ scope: '*' }, other)),
    'a key from a wrong network': elsewhere.byKey,
    'a password from a wrong network': elsewhere.byPassword,
  };
  for (const [name, headers] of Object.entries(fixed)) headersOf.set(name, () => headers);

  for (const kind of ['right', 'wrong'] as const) {
    const byScope = new Map<string, Record<string, Headers>>();
    for (const scope of scopes) {
      const granted =
        kind === 'right'
          ? [scope]
          : allScopes.filter((candidate) => candidate !== '*' && candidate !== scope);
      const username = `${kind}-${scope.replaceAll(/[:/]/g, '-')}`;
      const { byKey, byPassword, byBoth } = await create(username, { scopes: granted });
      const token = bearer(await issuer.issue({ scope: granted.join(' ') }));
      byScope.set(scope, { key: byKey, password: byPassword, 'key and password': byBoth, token });
    }
    for (const credential of ['key', 'password', 'key and password', 'token']) {
      headersOf.set(`a ${credential} with the ${kind} scope`, (scope) => byScope.get(scope)![credential]!);
    }
  }
});
afterAll(() => app.close());

const unauthenticated = [
  'no credential',
  'an unknown key',
  'a wrong password',
  'an unknown username',
  'a key without the password that is required too',
  'a password without the key that is required too',
  "a key and another account's password",
  'a disabled account',
  'a disabled account with its password',
  'an expired account',
  'an expired token',
  'a token that another issuer signed',
];
const wrongNetwork = ['a key from a wrong network', 'a password from a wrong network'];
const credentials = ['key', 'password', 'key and password', 'token'];

const sendTo = async (path: string, headers: Headers, body: object): Promise<ApiResponse> => {
  const response = await fetch(app.httpUrl + path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
};

describe.each(operations)('$name', ({ name, query, scope }) => {
  /** Calls both endpoints without the arguments, so that nothing is ever executed. */
  const callBothEndpoints = async (caller: string) => {
    const headers = headersOf.get(caller)!(scope);
    return {
      graphql: await sendTo('/graphql', headers, { query }),
      path: await sendTo(`/${name}`, headers, {}),
    };
  };
  const codeOf = ({ body }: ApiResponse) => body.errors?.[0].extensions;

  test.each(unauthenticated)('is closed to %s', async (caller) => {
    for (const answer of Object.values(await callBothEndpoints(caller))) {
      expect([answer.status, codeOf(answer)]).toStrictEqual([401, { code: 'UNAUTHENTICATED' }]);
      expect(answer.headers.get('www-authenticate')).toContain('Bearer');
      expect(answer.body).not.toHaveProperty('data');
    }
  });

  test.each(wrongNetwork)('is closed to %s', async (caller) => {
    for (const answer of Object.values(await callBothEndpoints(caller)))
      expect([answer.status, codeOf(answer)]).toStrictEqual([
        403,
        { code: 'FORBIDDEN', address: '127.0.0.1' },
      ]);
  });

  test.each(credentials)('is closed to a %s with the wrong scope', async (credential) => {
    const { graphql, path } = await callBothEndpoints(`a ${credential} with the wrong scope`);
    const refusal = { code: 'FORBIDDEN', requiredScope: scope };
    expect([graphql.status, codeOf(graphql)]).toStrictEqual([200, refusal]);
    expect(graphql.body.data?.[name] ?? null).toBeNull();
    expect([path.status, codeOf(path)]).toStrictEqual([403, refusal]);
  });

  test.each(credentials)('is open to a %s with the right scope', async (credential) => {
    const { graphql, path } = await callBothEndpoints(`a ${credential} with the right scope`);
    for (const answer of [graphql, path])
      expect(['BAD_USER_INPUT', undefined]).toContain(codeOf(answer)?.code);
    expect([200, 400]).toContain(path.status);
  });
});

describe.each(services)('the service $service', ({ service, scope }) => {
  const callService = async (caller: string) => {
    const { status, body } = await sendTo(`/api/v4/${scope}`, headersOf.get(caller)!(scope), {});
    const isFound = service === 'search' && status === 200;
    expect([body.success, isFound || body.data]).toStrictEqual(isFound ? [1, true] : [0, '']);
    return [status, body.message];
  };

  test.each(unauthenticated)('is closed to %s', async (caller) => {
    const problem = caller === 'no credential' ? 'missing' : 'invalid';
    expect(await callService(caller)).toStrictEqual([401, `BasicAuth or ApiKey is ${problem}`]);
  });

  test.each(wrongNetwork)('is closed to %s', async (caller) => {
    expect(await callService(caller)).toStrictEqual([403, 'IP is not permitted']);
  });

  test.each(credentials)('is closed to a %s with the wrong scope', async (credential) => {
    expect(await callService(`a ${credential} with the wrong scope`)).toStrictEqual([
      403,
      `${scope};Access denied`,
    ]);
  });

  test.each(credentials)('is open to a %s with the right scope', async (credential) => {
    const [status] = await callService(`a ${credential} with the right scope`);
    expect(status).toBe(service === 'upload' ? 415 : 200);
  });
});

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

test('the matrix is complete, and its calls have changed nothing', async () => {
  const callers = unauthenticated.length + wrongNetwork.length + 2 * credentials.length;
  expect(headersOf.size).toBe(callers);
  process.stdout.write(
    `matrix: (${operations.length} operations × 2 doors + ${services.length} services) × ${callers} callers = ${(operations.length * 2 + services.length) * callers}\n`,
  );
  expect(await readState()).toStrictEqual([]);
});

test('a mutation without the required scope is rejected and recorded in the audit', async () => {
  const headers = headersOf.get('a key with the wrong scope')!('groups:delete');
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
      const scope = operations.find((operation) => operation.name === name)!.scope;
      const headers = headersOf.get('a key with the wrong scope')!(scope);
      const [there, missing] = await Promise.all(
        [id, 2_000_000_000, -1].map((groupId) => sendTo(`/${name}`, headers, { id: groupId })),
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
  await createTestAccount(app, { username: 'twin', apiKey: 'the-key-of-twin-with-more-than-32-characters' });
  const settings = { ADMIN_API_KEY: 'the-key-of-twin-with-more-than-32-characters' };
  const message = 'ADMIN_API_KEY is already the key of another account: set it to a different key';
  const open = () => openTestApp(settings, { ...app, drop: async () => undefined });
  await expect(open()).rejects.toThrow(message);
  await app.sql(`DELETE FROM accounts WHERE username = 'admin'`);
  await expect(open()).rejects.toThrow(message);
});
