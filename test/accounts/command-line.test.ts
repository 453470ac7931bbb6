import { expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { basic, sendWith } from '../support/test-accounts.ts';
import { openTestApp, testKey, useTestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

const app = useTestApp();

const { run, runWith, environment } = createCommandLine(() => app);
const statusOf = async (credentials: Record<string, string>) => (await sendWith(app, credentials))[0];

test('accounts create prints a key once, and it allows its scopes only; rotate replaces it; the audit has each command without secrets', async () => {
  const created = await run(
    'accounts',
    'create',
    'shop',
    '--scope',
    'groups:read,audit:read',
    '--scope',
    'groups:delete',
  );
  expect(created).toMatchObject({ code: 0, stderr: '' });
  const [, key] = /API key, shown only once: (ga_[\w-]{32})\n$/.exec(created.stdout)!;
  expect(await statusOf({ 'X-APIKEY': key! })).toBe(200);

  const rotated = await run('accounts', 'rotate', 'shop', '--json');
  const { apiKey, ...account } = JSON.parse(rotated.stdout);
  expect(account).toMatchObject({
    username: 'shop',
    scopes: ['groups:read', 'audit:read', 'groups:delete'],
    hasApiKey: true,
    hasPassword: false,
    disabled: false,
  });
  expect(await statusOf({ 'X-APIKEY': apiKey })).toBe(200);
  const shown = JSON.stringify([
    (await run('accounts', 'list', '--json')).stdout,
    (await run('accounts', 'list')).stdout,
  ]);
  expect(shown).not.toMatch(/ga_|argon2|Hash"/);

  expect((await run('accounts', 'disable', 'shop')).stdout).toBe('Account shop is disabled\n');
  expect((await run('accounts', 'list')).stdout).toMatch(
    /^shop +api-key +groups:read,audit:read,groups:delete +any +disabled$/m,
  );
  expect((await run('accounts', 'enable', 'shop')).stdout).toBe('Account shop is enabled\n');
  expect((await run('accounts', 'remove', 'shop', '--yes')).stdout).toBe('Removed account shop\n');

  const { body } = await app.graphql(
    '{ auditEvents(filter: { targetId: "shop" }) { nodes { account credential address operation outcome before after } } }',
  );
  const events = body.data.auditEvents.nodes.toReversed();
  expect(events.map(({ operation, outcome }: Record<string, string>) => [operation, outcome])).toStrictEqual([
    ['accounts create', 'done'],
    ['accounts rotate', 'done'],
    ['accounts disable', 'done'],
    ['accounts enable', 'done'],
    ['accounts remove', 'done'],
  ]);
  expect(events[2]).toMatchObject({
    account: expect.stringMatching(/^command-line:\w+/),
    credential: 'command-line',
    address: 'local',
    before: { username: 'shop', disabled: false },
    after: { username: 'shop', disabled: true },
  });
  expect(JSON.stringify(events)).not.toMatch(/ga_|argon2|Hash"/);
});

test.each([
  [['create', 'admin', '--scope', '*'], 'ALREADY_EXISTS'],
  [['edit', 'missing', '--scope', '*'], 'NOT_FOUND'],
  [['rotate', 'missing'], 'NOT_FOUND'],
  [['disable', 'missing'], 'NOT_FOUND'],
  [['remove', 'missing', '--yes'], 'NOT_FOUND'],
])('a rejected command accounts %j is audited with its error', async (args, errorCode) => {
  expect((await run('accounts', ...args)).stderr).toContain(`(${errorCode})`);
  const [event] = await app.sql(
    'SELECT credential, operation, target_ids, outcome, error_code FROM audit_events ORDER BY id DESC LIMIT 1',
  );
  expect(event).toStrictEqual({
    credential: 'command-line',
    operation: `accounts ${args[0]}`,
    target_ids: [args[1]],
    outcome: 'refused',
    error_code: errorCode,
  });
});

test('accounts create reads a password from standard input, with or without an API key', async () => {
  const both = await runWith(
    'Aa123456\n',
    'accounts',
    'create',
    'test',
    '--scope',
    '*',
    '--password-stdin',
    '--require-both',
    '--json',
  );
  const { apiKey, requiresBoth } = JSON.parse(both.stdout);
  expect(requiresBoth).toBe(true);
  expect(await statusOf(basic('test', 'Aa123456'))).toBe(401);
  expect(await statusOf({ 'X-APIKEY': apiKey })).toBe(401);
  expect(await statusOf({ 'X-APIKEY': apiKey, ...basic('test', 'Aa123456') })).toBe(200);

  const only = await runWith(
    'گذرواژه ۱۲۳',
    'accounts',
    'create',
    'only',
    '--scope',
    'groups:read',
    '--password-stdin',
    '--no-api-key',
    '--expires',
    '2100-01-01',
    '--network',
    '127.0.0.1,10.0.0.0/8',
    '--json',
  );
  expect(JSON.parse(only.stdout)).toMatchObject({
    hasApiKey: false,
    hasPassword: true,
    allowedNetworks: ['127.0.0.1/32', '10.0.0.0/8'],
    expiresAt: '2100-01-01T00:00:00.000Z',
  });
  expect(await statusOf(basic('only', 'گذرواژه ۱۲۳'))).toBe(200);

  expect((await runWith('another password', 'accounts', 'rotate', 'only', '--password-stdin')).stdout).toBe(
    'Changed the password of account only\n',
  );
  expect((await run('accounts', 'rotate', 'only')).stderr).toBe(
    'group-api: Account only has no API key; use --password to change its password\n',
  );
  const rows = await app.sql(`SELECT password_hash FROM accounts WHERE username IN ('test', 'only')`);
  for (const { password_hash: hash } of rows) expect(hash).toMatch(/^\$argon2id\$/);
});

test('accounts create --api-key-stdin creates an account with a key that clients have already, and does not print it', async () => {
  const key = 'a-key-that-clients-have-already-0123456789';
  const create = ['accounts', 'create', 'desk', '--scope', 'groups:read', '--api-key-stdin'];
  expect(await runWith(`${key}\n`, ...create)).toStrictEqual({
    code: 0,
    stdout: 'Created account desk\n',
    stderr: '',
  });
  expect(await statusOf({ 'X-APIKEY': key })).toBe(200);
  const json = await runWith(`${key}-other`, ...create.with(2, 'desk2'), '--json');
  expect(JSON.parse(json.stdout)).toMatchObject({ username: 'desk2', hasApiKey: true, hasPassword: false });
  expect(json.stdout).not.toContain(key);
  expect(await statusOf({ 'X-APIKEY': `${key}-other` })).toBe(200);
  // The old key of an account that exists already works as before.
  expect((await runWith(`${key}-third`, ...create)).stderr).toContain('The account "desk" already exists');
  expect((await runWith(key, ...create.with(2, 'desk3'))).stderr).toContain(
    'Another account has this API key: choose a different one (ALREADY_EXISTS)',
  );
  expect(await app.sql(`SELECT username FROM accounts WHERE username LIKE 'desk%' ORDER BY 1`)).toStrictEqual(
    [{ username: 'desk' }, { username: 'desk2' }],
  );
  expect(await statusOf({ 'X-APIKEY': `${key}-third` })).toBe(401);
});

test.each([
  ['racer', 'other key', 'The account "racer" already exists (ALREADY_EXISTS)'],
  ['winner', 'same key', 'Another account has this API key: choose a different one (ALREADY_EXISTS)'],
])(
  'accounts create while %s is created with the %s names what is in use, and creates no account',
  async (username, whose, message) => {
    const [key, otherKey] = [
      'a-key-of-two-concurrent-creates-0123456789',
      'another-key-of-another-account-0123456789',
    ];
    const create = ['accounts', 'create', 'racer', '--scope', 'groups:read', '--api-key-stdin'];
    // The hash of the key that the concurrent create stores.
    expect((await runWith(whose === 'same key' ? key : otherKey, ...create)).code).toBe(0);
    const [{ api_key_hash: hash }] = (await app.sql(
      `DELETE FROM accounts WHERE username = 'racer' RETURNING api_key_hash`,
    )) as [{ api_key_hash: Buffer }];

    const winner = await openSecondConnection(app);
    await winner.query('BEGIN');
    await winner.query(
      `INSERT INTO accounts (username, api_key_hash, scopes) VALUES ($1, $2, '{groups:read}')`,
      [username, hash],
    );
    const loser = runWith(key, ...create);
    await winner.waitForBlocked();
    await winner.query('COMMIT');
    await winner.close();
    expect(await loser).toStrictEqual({ code: 1, stdout: '', stderr: `group-api: ${message}\n` });
    expect(
      await app.sql(`DELETE FROM accounts WHERE username IN ('racer', 'winner') RETURNING username`),
    ).toStrictEqual([{ username }]);
  },
);

test('accounts edit changes the options that are passed; the credentials stay', async () => {
  const { apiKey } = JSON.parse(
    (await run('accounts', 'create', 'edited', '--scope', 'audit:read', '--json')).stdout,
  );
  const edited = await run(
    'accounts',
    'edit',
    'edited',
    '--scope',
    'groups:read',
    '--expires',
    '2100-01-01',
    '--json',
  );
  expect(JSON.parse(edited.stdout)).toMatchObject({
    scopes: ['groups:read'],
    allowedNetworks: [],
    expiresAt: '2100-01-01T00:00:00.000Z',
  });
  expect(await statusOf({ 'X-APIKEY': apiKey })).toBe(200);
  await run('accounts', 'edit', 'edited', '--network', '10.0.0.0/8');
  await waitUntil(async () => (await statusOf({ 'X-APIKEY': apiKey })) === 403);
  const { stdout } = await run('accounts', 'edit', 'edited', '--network', 'any', '--expires', 'never');
  expect(stdout).toMatch(/^edited +api-key +groups:read +any +enabled$/m);
});

test('accounts rotate rejects admin if ADMIN_API_KEY is set', async () => {
  environment['ADMIN_API_KEY'] = testKey;
  const { stderr } = await run('accounts', 'rotate', 'admin');
  delete environment['ADMIN_API_KEY'];
  expect(stderr).toContain(
    'The API key of admin is set by ADMIN_API_KEY: change it there, and restart the servers',
  );
});

test('a disabled admin stays disabled when a server starts with ADMIN_API_KEY', async () => {
  await run('accounts', 'disable', 'admin');
  const other = await openTestApp(
    { ADMIN_API_KEY: `${testKey}-new` },
    { ...app, drop: async () => undefined },
  );
  const answer = await other.post('/allGroups', {}, { 'X-APIKEY': `${testKey}-new` });
  expect([answer.status, answer.body.errors[0].message]).toStrictEqual([401, 'The account is disabled']);
  await other.close();
  await run('accounts', 'enable', 'admin');
  expect(await statusOf({ 'X-APIKEY': `${testKey}-new` })).toBe(200);
});

test('accounts --help lists the commands, the scopes and examples', async () => {
  expect((await run('accounts', '--help')).stdout).toMatch(
    /create.*\n[^]*list.*\n[^]*rotate.*\n[^]*disable.*\n[^]*enable.*\n[^]*remove/,
  );
  expect((await run('accounts', 'create', '--help')).stdout).toMatch(
    /Scopes: \*[^]*Examples:\n +group-api accounts create/,
  );
});
