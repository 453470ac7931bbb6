import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { allScopes } from '../../src/accounts/scopes.ts';
import { createSchema } from '../../src/graphql/schema.ts';
import { createProbes, past } from './probes.ts';
import { basic, bearer, createTestAccount, createTokenIssuer } from './test-accounts.ts';
import type { ApiResponse, TestApp } from './test-app.ts';

/** Every root field of the schema. New fields are included automatically. */
const schema = createSchema();
export const operations = (['query', 'mutation'] as const).flatMap((kind) => {
  const type = kind === 'query' ? schema.getQueryType()! : schema.getMutationType()!;
  return Object.values(type.getFields()).map(({ name, description }) => ({
    name,
    query: `${kind} { ${name} { __typename } }`,
    scope: /Scope: `(.+)`/.exec(description!)![1]!,
  }));
});
/** The REST API of the autodialer: the scope of a service is its path. */
export const services = ['add', 'update', 'remove', 'search', 'upload'].map((service) => ({
  service,
  scope: `autodialer/groups/${service}`,
}));
const scopes = [...new Set([...operations, ...services].map(({ scope }) => scope))];

/** An operation of each kind, and a service, which `npm test` tests for every kind of caller. */
const representatives = ['group', 'deleteGroup', 'subscribe', 'auditEvents', 'remove'];
export const isRepresentative = (name: string) => representatives.includes(name);

type Operation = (typeof operations)[number];
type Service = (typeof services)[number];

const password = 'Aa123456';
export const issuer = createTokenIssuer();
export type Headers = Record<string, string>;

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

/** Creates an account for each kind of caller, and returns the callers' request headers by scope. */
async function createCallers(app: TestApp): Promise<ReadonlyMap<string, (scope: string) => Headers>> {
  const headersOf = new Map<string, (scope: string) => Headers>();
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
      const granted = kind === 'right' ? [scope] : allScopes.filter((each) => each !== '*' && each !== scope);
      const username = `${kind}-${scope.replaceAll(/[:/]/g, '-')}`;
      const { byKey, byPassword, byBoth } = await create(username, { scopes: granted });
      const token = bearer(await issuer.issue({ scope: granted.join(' ') }));
      byScope.set(scope, { key: byKey, password: byPassword, 'key and password': byBoth, token });
    }
    for (const credential of ['key', 'password', 'key and password', 'token']) {
      headersOf.set(`a ${credential} with the ${kind} scope`, (scope) => byScope.get(scope)![credential]!);
    }
  }
  return headersOf;
}

/** Declares a test of each operation, at both endpoints, and each service, for every kind of caller. */
export function testAccess(
  getApp: () => TestApp,
  testedOperations: readonly Operation[],
  testedServices: readonly Service[],
) {
  const { readState } = createProbes(getApp);
  let headersOf: ReadonlyMap<string, (scope: string) => Headers>;
  beforeAll(async () => {
    headersOf = await createCallers(getApp());
  });
  const sendTo = async (path: string, headers: Headers, body: object): Promise<ApiResponse> => {
    const response = await fetch(getApp().httpUrl + path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  };

  describe.each(testedOperations)('$name', ({ name, query, scope }) => {
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
      const rejection = { code: 'FORBIDDEN', requiredScope: scope };
      expect([graphql.status, codeOf(graphql)]).toStrictEqual([200, rejection]);
      expect(graphql.body.data?.[name] ?? null).toBeNull();
      expect([path.status, codeOf(path)]).toStrictEqual([403, rejection]);
    });

    test.each(credentials)('is open to a %s with the right scope', async (credential) => {
      const { graphql, path } = await callBothEndpoints(`a ${credential} with the right scope`);
      for (const answer of [graphql, path])
        expect(['BAD_USER_INPUT', undefined]).toContain(codeOf(answer)?.code);
      expect([200, 400]).toContain(path.status);
    });
  });

  describe.each(testedServices)('the service $service', ({ service, scope }) => {
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

  test('the matrix has every kind of caller, and its calls have changed nothing', async () => {
    const callers = unauthenticated.length + wrongNetwork.length + 2 * credentials.length;
    expect(headersOf.size).toBe(callers);
    process.stdout.write(
      `matrix: (${testedOperations.length} operations × 2 endpoints + ${testedServices.length} services) × ${callers} callers = ${(testedOperations.length * 2 + testedServices.length) * callers}\n`,
    );
    expect(await readState()).toStrictEqual([]);
  });

  return {
    sendTo,
    headersFor: (caller: string, scope: string): Headers => headersOf.get(caller)!(scope),
  };
}
