import { spawn } from 'node:child_process';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { bin, createCommandLine, cwd } from '../support/command-line.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { basic } from '../support/test-accounts.ts';
import { openTestApp, testKey, useTestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

const app = useTestApp();

const { run, runWith, environment } = createCommandLine(() => app);
const statusOf = async (headers: Record<string, string>) => {
  const response = await fetch(`${app.httpUrl}/allGroups`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: '{}',
  });
  return response.status;
};

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
  await sleep(1100);
  expect(await statusOf({ 'X-APIKEY': apiKey })).toBe(403);
  const { stdout } = await run('accounts', 'edit', 'edited', '--network', 'any', '--expires', 'never');
  expect(stdout).toMatch(/^edited +api-key +groups:read +any +enabled$/m);
});

describe('rejected commands', () => {
  const cases: [string, string[], RegExp, string?][] = [
    [
      'an unknown scope',
      ['create', 'a', '--scope', 'groups:fly'],
      /There is no scope "groups:fly"; the scopes are \*, groups:read,/,
    ],
    ['no scope and no terminal', ['create', 'a'], /Not a terminal; pass --scope$/m],
    ['no username and no terminal', ['create'], /Not a terminal; pass the username as an argument/],
    [
      'a username with a colon',
      ['create', 'a:b', '--scope', '*'],
      /username must have 1 to 64 letters, digits or/,
    ],
    ['a username that is in use', ['create', 'admin', '--scope', '*'], /The account "admin" already exists/],
    [
      'an invalid network',
      ['create', 'a', '--scope', '*', '--network', '10.0.0.0/33'],
      /A network must be an address or a CIDR block such as 10\.0\.0\.0\/8, not "10\.0\.0\.0\/33"/,
    ],
    [
      'a date in the past',
      ['create', 'a', '--scope', '*', '--expires', '2020-01-01'],
      /expires must be a future date/,
    ],
    [
      'an invalid date',
      ['create', 'a', '--scope', '*', '--expires', 'tomorrow'],
      /expires must be a future date/,
    ],
    [
      'no credential at all',
      ['create', 'a', '--scope', '*', '--no-api-key'],
      /An account needs an API key or a password/,
    ],
    [
      'both required, but no password',
      ['create', 'a', '--scope', '*', '--require-both'],
      /--require-both requires an API key and a password: omit --no-api-key, and pass --password/,
    ],
    [
      'a short API key',
      ['create', 'a', '--scope', '*', '--api-key-stdin'],
      /The API key must be 32 to 256 printable ASCII characters without spaces/,
      'short',
    ],
    [
      'an API key and none',
      ['create', 'a', '--scope', '*', '--api-key-stdin', '--no-api-key'],
      /--api-key-stdin and --no-api-key contradict each other/,
    ],
    [
      'an API key and a password from one input',
      ['create', 'a', '--scope', '*', '--api-key-stdin', '--password-stdin'],
      /both are read from standard input: create the account with --password-stdin, then replace its key/,
    ],
    [
      'a short password',
      ['create', 'a', '--scope', '*', '--password-stdin'],
      /A password must have at least 8 characters/,
      'short',
    ],
    [
      'a password with a line break',
      ['create', 'a', '--scope', '*', '--password-stdin'],
      /password must not contain control characters/,
      'two\nlines',
    ],
    [
      'a password without a terminal',
      ['create', 'a', '--scope', '*', '--password'],
      /Not a terminal; use --password-stdin/,
    ],
    [
      'a secret as an argument',
      ['create', 'a', '--scope', '*', '--password', 'secret-password'],
      /too many arguments/,
    ],
    [
      'a password for an account without one',
      ['rotate', 'admin', '--password-stdin'],
      /Account admin has no password; omit --password to rotate its API key/,
      'Aa123456',
    ],
    [
      'a day that there is not',
      ['create', 'a', '--scope', '*', '--expires', '2100-02-31'],
      /expires must be a future date/,
    ],
    [
      'a password of blanks',
      ['create', 'a', '--scope', '*', '--password-stdin'],
      /password must not be blank/,
      '          ',
    ],
    ['an account that is not there', ['rotate', 'nobody'], /There is no account "nobody"/],
    ['an account that is not there, to disable', ['disable', 'nobody'], /There is no account "nobody"/],
    [
      'an account that is not there, to remove',
      ['remove', 'nobody', '--yes'],
      /There is no account "nobody"/,
    ],
    ['an edit of nothing', ['edit', 'admin'], /Pass --scope, --network or --expires/],
    ['a removal without confirmation', ['remove', 'admin'], /Not a terminal; pass --yes/],
    ['an unknown command', ['destroy'], /unknown command 'destroy'/],
  ];
  test.each(cases)(
    'group-api accounts rejects %s in one line that says what to do, and changes nothing',
    async (_what, args, message, input = '') => {
      const before = await app.sql('SELECT * FROM accounts ORDER BY username');
      const { code, stdout, stderr } = await runWith(input, 'accounts', ...args);
      const isUnderstood = !stderr.startsWith('error: ');
      expect([code, stdout]).toStrictEqual([isUnderstood ? 1 : 2, '']);
      expect(stderr).toMatch(message);
      expect(stderr).not.toMatch(/ at .*:\d+:\d+/);
      expect(await app.sql('SELECT * FROM accounts ORDER BY username')).toStrictEqual(before);
    },
  );

  test('group-api accounts list with an unavailable database prints one line', async () => {
    const child = spawn(process.execPath, [bin, 'accounts', 'list'], {
      cwd,
      env: { PATH: process.env['PATH'], DATABASE_URL: 'postgresql://127.0.0.1:1/none' },
    });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(1);
    expect(stderr).toMatch(/^group-api: Cannot connect to PostgreSQL at 127\.0\.0\.1:1\/none: .*Check that/);
  });
});

describe('while the database cannot be closed after a change,', () => {
  const sockets: Socket[] = [];
  // Forwards everything, but never closes a connection that the client has ended.
  const proxy = createServer({ allowHalfOpen: true }, (client) => {
    const { hostname, port, searchParams } = new URL(app.url);
    const folder = searchParams.get('host');
    const server = folder ? connect(`${folder}/.s.PGSQL.5432`) : connect(Number(port || 5432), hostname);
    for (const socket of [client, server]) sockets.push(socket.on('error', () => undefined));
    client.on('data', (chunk: Buffer) => server.write(chunk));
    server.on('data', (chunk: Buffer) => client.write(chunk));
  });
  let url: string;
  beforeAll(async () => {
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const target = new URL(app.url);
    target.host = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    target.username ||= target.searchParams.get('user') ?? '';
    const schema = target.searchParams.get('schema');
    target.search = schema === null ? '' : `?schema=${encodeURIComponent(schema)}`;
    url = target.href;
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
  });

  test.each([
    ['create', ['closing', '--scope', '*']],
    ['rotate', ['closing']],
    ['rotate', ['closing', '--json']],
  ])('accounts %s %j has already printed the new key, which works', async (command, args) => {
    const child = spawn(process.execPath, [bin, 'accounts', command, ...args], {
      cwd,
      env: { PATH: process.env['PATH'], DATABASE_URL: url },
    });
    try {
      let stdout = '';
      child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
      await waitUntil(() => stdout.endsWith('\n'));
      expect(child.exitCode).toBeNull();
      const [key] = /ga_[\w-]{32}/.exec(stdout)!;
      expect(await statusOf({ 'X-APIKEY': key })).toBe(200);
    } finally {
      child.kill('SIGKILL');
    }
  });
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
