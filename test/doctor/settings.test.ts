import { expect, test } from '@jest/globals';
import { useDoctor } from '../support/doctor.ts';

const { target, environment, examine } = useDoctor();

test('doctor reports each invalid setting on its own line, and runs the other checks', async () => {
  Object.assign(environment, {
    PORT: 'many',
    GROUP_API_X: '1',
    TLS_CERT_FILE: '/no/file',
    TLS_KEY_FILE: '/no/key',
  });
  const { isWrong, of } = await examine();
  expect(isWrong).toBe(true);
  expect(of('settings').map(({ state, message }) => `${state} ${message}`)).toStrictEqual([
    expect.stringMatching(/^wrong GROUP_API_X is not a setting/),
    'wrong PORT must be a whole number from 0 to 65535, not "many"',
    expect.stringMatching(/^wrong TLS_CERT_FILE must be a readable file: ENOENT.*\/no\/file/),
  ]);
  expect(of('permissions')).toMatchObject([{ state: 'ok' }]);
});

test.each([
  [{ TLS_CERT_FILE: '/tmp', TLS_KEY_FILE: '/tmp' }, /^TLS_CERT_FILE must be a readable file: EISDIR/],
  [
    { TLS_CERT_FILE: '/etc/passwd', TLS_KEY_FILE: '/etc/passwd' },
    /^TLS_CERT_FILE and TLS_KEY_FILE must be a certificate and its key/,
  ],
  [{ ALLOWED_OPERATIONS_FILE: '/etc/passwd' }, /^ALLOWED_OPERATIONS_FILE must be a JSON file/],
  [{ ALLOWED_OPERATIONS_FILE: '/no/list' }, /^ALLOWED_OPERATIONS_FILE must be a JSON file: ENOENT/],
])('doctor reports the files of the settings %j that a start would reject', async (settings, message) => {
  Object.assign(environment, settings);
  const { isWrong, of } = await examine();
  expect([isWrong, of('settings')]).toMatchObject([
    true,
    [{ state: 'wrong', message: expect.stringMatching(message) }],
  ]);
});

test.each([
  ['postgresql://127.0.0.1:1/none', /^Cannot connect to PostgreSQL at 127\.0\.0\.1:1\/none: .*ECONNREFUSED/],
  ['mysql://127.0.0.1/none', /^Skipped: fix the settings first/],
])('doctor reports why the DATABASE_URL %s cannot be used', async (databaseUrl, message) => {
  target.url = databaseUrl;
  const { isWrong, of } = await examine();
  expect([isWrong, of('database')]).toMatchObject([
    true,
    [{ state: 'wrong', message: expect.stringMatching(message) }],
  ]);
});
