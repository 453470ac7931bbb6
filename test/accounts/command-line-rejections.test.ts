import { spawn } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { bin, createCommandLine, cwd } from '../support/command-line.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();

const { runWith } = createCommandLine(() => app);

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
    ['a missing account', ['rotate', 'nobody'], /There is no account "nobody"/],
    ['a missing account to disable', ['disable', 'nobody'], /There is no account "nobody"/],
    ['a missing account to remove', ['remove', 'nobody', '--yes'], /There is no account "nobody"/],
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
