import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { basic, bearer, createTestAccount } from '../support/test-accounts.ts';
import { openTestApp, testKey, useTestApp } from '../support/test-app.ts';
import { useTestDatabase } from '../support/test-database.ts';

const password = 'Aa123456';
const app = useTestApp({ TRUST_PROXY: ['127.0.0.1'] });
let account: Awaited<ReturnType<typeof createTestAccount>>;
let strict: typeof account;
beforeAll(async () => {
  account = await createTestAccount(app, {
    username: 'test',
    password,
    apiKey: 'vZKtIKWsld0egNlkzHo8i5LVBqLNBSWARCQsPOSgDjFmAHM3tG',
  });
  strict = await createTestAccount(app, { username: 'strict', password, requiresBoth: true });
});

/** Failures count by address, so that each test uses another address. */
let address: string;
let addresses = 0;
beforeEach(() => {
  address = `198.51.100.${++addresses}`;
});

const ask = async (headers: Record<string, string>, { from = address, url = app.httpUrl } = {}) => {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Forwarded-For': from, ...headers },
    body: '{"query":"{ __typename }"}',
  });
  const { errors } = (await response.json()) as { errors?: { message: string }[] };
  return { status: response.status, message: errors?.[0]!.message, headers: response.headers };
};

describe("both vendors' documented credentials are accepted", () => {
  const vendorBasic = { Authorization: 'Basic dGVzdDpBYTEyMzQ1Ng==' };
  const vendorKey = { 'X-APIKEY': 'vZKtIKWsld0egNlkzHo8i5LVBqLNBSWARCQsPOSgDjFmAHM3tG' };

  test.each([
    ['Basic', vendorBasic],
    ['X-APIKEY', vendorKey],
    ['both', { ...vendorBasic, ...vendorKey }],
    ['Bearer', bearer(vendorKey['X-APIKEY'])],
    ['the same key twice', { ...vendorKey, ...bearer(vendorKey['X-APIKEY']) }],
    ['Basic next to an empty key', { ...vendorBasic, 'X-APIKEY': '' }],
    ['a scheme in another case', { authorization: 'bAsIc dGVzdDpBYTEyMzQ1Ng==' }],
  ] as [string, Record<string, string>][])('%s', async (_name, headers) => {
    expect((await ask(headers)).status).toBe(200);
  });
});

describe('every credential of a request has to be valid', () => {
  test.each([
    [
      'a valid key with a wrong password',
      () => ({ ...account.byKey, ...basic('test', 'wrong-password') }),
      'The username or the password is wrong',
    ],
    [
      'a valid password with a wrong key',
      () => ({ 'X-APIKEY': 'wrong', ...account.byPassword }),
      'Invalid API key',
    ],
    [
      'two different keys',
      () => ({ ...account.byKey, ...bearer(testKey) }),
      'Send the key either as a Bearer token or as X-APIKEY, not a different key in each',
    ],
    [
      'the right password alone, of an account that needs its key too',
      () => strict.byPassword,
      'The username or the password is wrong',
    ],
    [
      'the right key alone, of an account that needs its password too',
      () => strict.byKey,
      'This account requires both its API key and its password',
    ],
    [
      'another scheme',
      () => ({ Authorization: 'Digest abc' }),
      'Send "Authorization: Bearer <key>" or "Authorization: Basic <username:password in Base64>"',
    ],
    [
      'Basic without a colon',
      () => ({ Authorization: 'Basic dGVzdA==' }),
      'Basic credentials must be "username:password" in Base64',
    ],
    [
      'Basic with invalid Base64',
      () => ({ Authorization: 'Basic %%%' }),
      'Basic credentials must be "username:password" in Base64',
    ],
    [
      'an empty X-APIKEY',
      () => ({ 'X-APIKEY': '' }),
      'The header X-APIKEY is empty. Send the credentials of an account',
    ],
    [
      'an empty Authorization',
      () => ({ Authorization: '' }),
      'The header Authorization is empty. Send the credentials of an account',
    ],
    [
      'Bearer without a token',
      () => ({ Authorization: 'Bearer ' }),
      'The value of Bearer in the header Authorization is empty. Send the credentials of an account',
    ],
    ['an empty password', () => basic('test', ''), 'The username or the password is wrong'],
    ['a username with a NUL', () => basic('te\u0000st', password), 'The username or the password is wrong'],
    [
      'a username with invalid UTF-8',
      () => ({ Authorization: `Basic ${Buffer.from([0xff, 0xfe, 0x3a, 0x61]).toString('base64')}` }),
      'The username or the password is wrong',
    ],
    [
      'the password of the admin, who has none',
      () => basic('admin', ''),
      'The username or the password is wrong',
    ],
    ['a token without JWT settings', () => bearer('eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.'), 'Invalid API key'],
  ] as [string, () => Record<string, string>, string][])(
    '%s is rejected with 401',
    async (_name, headers, message) => {
      expect(await ask(headers())).toMatchObject({ status: 401, message });
    },
  );

  test.each(['Authorization', 'X-APIKEY'])(
    'two %s headers are rejected, even with valid values',
    async (name) => {
      const right = name === 'Authorization' ? bearer(testKey).Authorization : testKey;
      const status = await new Promise((resolve, reject) => {
        const headers = ['Host', 'x', name, right, name, right, 'Content-Type', 'application/json'];
        request(`${app.httpUrl}/graphql`, { method: 'POST', headers })
          .on('response', (response) => resolve(response.resume().statusCode))
          .on('error', reject)
          .end('{"query":"{ __typename }"}');
      });
      expect(status).toBe(401);
    },
  );

  test('a 401 asks browsers for a bearer token only, other clients for Basic too', async () => {
    const plain = (headers: Record<string, string>) =>
      new Promise((resolve, reject) => {
        request(`${app.httpUrl}/graphql`, { headers })
          .on('response', (response) => resolve(response.resume().headers['www-authenticate']))
          .on('error', reject)
          .end();
      });
    expect(await plain({})).toBe('Bearer realm="group-api", Basic realm="group-api", charset="UTF-8"');
    expect(await plain({ 'Sec-Fetch-Mode': 'navigate' })).toBe('Bearer realm="group-api"');
  });
});

describe('a changed account', () => {
  const other = useTestApp({ TRUST_PROXY: ['127.0.0.1'] }, () => useTestDatabase(app.url));

  const everywhere = async (headers: Record<string, string>) => {
    const answers = await Promise.all([app, other].map(({ httpUrl: url }) => ask(headers, { url })));
    return answers.map(({ status, message }) => message ?? status);
  };
  /** After a second a change applies to every server. */
  const change = async (sql: string) => {
    await app.sql(sql);
    await sleep(1100);
  };

  test('a disabled account is rejected by every server within a second; an enabled one works again', async () => {
    const { byKey, byPassword } = await createTestAccount(app, { username: 'changing', password });
    expect(await everywhere(byKey)).toStrictEqual([200, 200]);
    expect(await everywhere(byPassword)).toStrictEqual([200, 200]);
    await change(`UPDATE accounts SET disabled = true WHERE username = 'changing'`);
    expect(await everywhere(byKey)).toStrictEqual(Array(2).fill('The account is disabled'));
    expect(await everywhere(byPassword)).toStrictEqual(Array(2).fill('The account is disabled'));
    await change(`UPDATE accounts SET disabled = false WHERE username = 'changing'`);
    expect(await everywhere(byKey)).toStrictEqual([200, 200]);
    await change(`UPDATE accounts SET scopes = '{groups:read}' WHERE username = 'changing'`);
    expect((await app.post('/deleteGroup', { id: 1 }, byKey)).status).toBe(403);
    await change(`DELETE FROM accounts WHERE username = 'changing'`);
    expect(await everywhere(byKey)).toStrictEqual(Array(2).fill('Invalid API key'));
    expect(await everywhere(byPassword)).toStrictEqual(
      Array(2).fill('The username or the password is wrong'),
    );
  });

  test('a cached password is rejected once the account has a new one', async () => {
    const first = await createTestAccount(app, { username: 'first', password });
    await createTestAccount(app, { username: 'second', password: 'another-password' });
    expect(await everywhere(first.byPassword)).toStrictEqual([200, 200]);
    await change(
      `UPDATE accounts SET password_hash = (SELECT password_hash FROM accounts WHERE username = 'second') WHERE username = 'first'`,
    );
    expect(await everywhere(first.byPassword)).toStrictEqual(
      Array(2).fill('The username or the password is wrong'),
    );
    expect(await everywhere(basic('first', 'another-password'))).toStrictEqual([200, 200]);
  });
});

test('an account with allowed networks is accepted from them only, over IPv4 and IPv6', async () => {
  const networks = ['192.0.2.0/24', '2001:db8::/32', '203.0.113.7/32'];
  const { byKey } = await createTestAccount(app, { username: 'networks', allowedNetworks: networks });
  const statusFrom = async (from: string) => (await ask(byKey, { from })).status;
  for (const from of [
    '192.0.2.1',
    '192.0.2.255',
    '2001:db8:1::1',
    '203.0.113.7',
    '::ffff:192.0.2.9',
    '192.0.2.1:5678',
    '[2001:db8::1]:80',
  ])
    expect([from, await statusFrom(from)]).toStrictEqual([from, 200]);
  for (const from of ['192.0.3.1', '2001:db9::1', '203.0.113.8', '127.0.0.1', '::1'])
    expect([from, await statusFrom(from)]).toStrictEqual([from, 403]);
});

describe('failed attempts from one address', () => {
  test('failed attempts are limited with 429; valid credentials and other addresses are not locked out', async () => {
    const { byKey, byPassword } = await createTestAccount(app, { username: 'known', password });
    expect((await ask(byPassword)).status).toBe(200);
    for (let count = 0; count < 30; count++)
      expect((await ask({ 'X-APIKEY': `guess-${count}` })).status).toBe(401);

    const refused = await ask({ 'X-APIKEY': 'guess' });
    expect(refused).toMatchObject({
      status: 429,
      message: 'Too many failed sign-ins from your address; 30 a minute are allowed. Try again later',
    });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(50);
    expect(refused.headers.get('ratelimit-remaining')).toBe('0');
    expect((await ask(basic('known', 'a-guess-of-it'))).status).toBe(429);

    // A valid key, a recently valid password, and other addresses.
    expect((await ask(byKey)).status).toBe(200);
    expect((await ask(byPassword)).status).toBe(200);
    expect((await ask(basic('known', 'a-guess-of-it'), { from: '198.51.100.200' })).status).toBe(401);
  });

  test('failed attempts from one IPv6 /64 network count together', async () => {
    for (let count = 0; count < 30; count++)
      await ask({ 'X-APIKEY': 'x' }, { from: `2001:db8:5:5::${count}` });
    expect((await ask({ 'X-APIKEY': 'x' }, { from: '2001:db8:5:5:ffff::1' })).status).toBe(429);
    expect((await ask({ 'X-APIKEY': 'x' }, { from: '2001:db8:5:6::1' })).status).toBe(401);
  });

  test('requests without credentials do not count as failed attempts', async () => {
    for (let count = 0; count < 40; count++) expect((await ask({})).status).toBe(401);
  });
});

test('an unknown username costs one password hash, as a wrong password does', async () => {
  const kinds = {
    known: basic('test', 'a-wrong-password'),
    unknown: basic('nobody', 'a-wrong-password'),
    'without an account of this form': basic('No Body!', 'a-wrong-password'),
  };
  // CPU time of this process, in which the server hashes, so that other programs do not count. The kinds alternate, so
  // that other work in this process affects all of them alike.
  const costs = new Map<string, number[]>(Object.keys(kinds).map((kind) => [kind, []]));
  for (let count = 0; count < 15; count++) {
    for (const [kind, headers] of Object.entries(kinds)) {
      const begin = process.cpuUsage();
      expect((await ask(headers, { from: `203.0.113.${count}` })).status).toBe(401);
      const { user, system } = process.cpuUsage(begin);
      costs.get(kind)!.push(user + system);
    }
  }
  const medianOf = (kind: string) => costs.get(kind)!.toSorted((a, b) => a - b)[7]!;
  for (const kind of Object.keys(kinds)) {
    // Without a hash a request takes a twentieth of this time.
    expect([kind, medianOf(kind) / medianOf('known') > 1 / 4]).toStrictEqual([kind, true]);
    expect([kind, medianOf(kind) / medianOf('known') < 4]).toStrictEqual([kind, true]);
  }
});

test('credentials are stored as hashes', async () => {
  const [row] = await app.sql(
    `SELECT *, encode(api_key_hash, 'hex') AS hex FROM accounts WHERE username = 'test'`,
  );
  expect(row!['password_hash']).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  expect(JSON.stringify(row)).not.toContain(password);
  expect(JSON.stringify(row)).not.toContain(account.apiKey);
  expect(row!['hex']).toHaveLength(64);
});

test('without TRUST_PROXY the X-Forwarded-For header is ignored', async () => {
  const direct = await openTestApp();
  const { byKey } = await createTestAccount(direct, { username: 'inside', allowedNetworks: ['10.0.0.0/8'] });
  for (const name of ['X-Forwarded-For', 'Forwarded', 'X-Real-IP', 'X-Client-IP']) {
    const { status, body } = await direct.post('/allGroups', {}, { ...byKey, [name]: '10.0.0.1' });
    expect([status, body.errors[0].extensions.address]).toStrictEqual([403, '127.0.0.1']);
  }
  await direct.close();
});
