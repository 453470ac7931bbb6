import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { useServers } from '../support/servers.ts';
import { useTestFolder } from '../support/test-folder.ts';

const dir = useTestFolder();
const start = useServers();

let busyPort: number;
const busy = createServer();
beforeAll(async () => {
  await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve));
  busyPort = (busy.address() as AddressInfo).port;
  await writeFile(join(dir, 'file'), '');
});
afterAll(() => void busy.close());

const pretend = (code: string) => ['--import', `data:text/javascript,${encodeURIComponent(code)}`];
const cases: [string, () => [Record<string, string>, string[]?], string | RegExp][] = [
  [
    'a busy port',
    () => [{ PORT: String(busyPort), DATA_DIR: join(dir, 'busy') }],
    /Another program listens on 127\.0\.0\.1:\d+\. Stop it, or set PORT/,
  ],
  ['an invalid port', () => [{ PORT: 'http' }], 'PORT must be a whole number from 0 to 65535, not "http"'],
  [
    'an address of another machine',
    () => [{ HOST: '192.0.2.1', DATA_DIR: join(dir, 'busy') }],
    'HOST must be an address of this machine, not 192.0.2.1',
  ],
  [
    'a short key',
    () => [{ ADMIN_API_KEY: 'short-secret' }],
    'ADMIN_API_KEY must be 32 to 256 printable ASCII characters',
  ],
  ['an unknown log level', () => [{ LOG_LEVEL: 'loud' }], 'LOG_LEVEL must be one of trace, debug, info'],
  ['an invalid flag', () => [{ SAMPLE_DATA: 'yes' }], 'SAMPLE_DATA must be true or false, not "yes"'],
  [
    'an unknown setting',
    () => [{ GROUP_API_PORT: '80' }],
    'GROUP_API_PORT is not a setting; the settings are HOST, PORT',
  ],
  [
    'an invalid database URL',
    () => [{ DATABASE_URL: 'mysql://secret@x' }],
    'DATABASE_URL must be a URL such as postgresql://',
  ],
  [
    'a missing database',
    () => [{ DATABASE_URL: 'postgresql://u:secret@127.0.0.1:1/d' }],
    'Cannot connect to PostgreSQL at 127.0.0.1:1/d: connect ECONNREFUSED 127.0.0.1:1. Check that the server is running',
  ],
  [
    'a data folder that is a file',
    () => [{ DATA_DIR: join(dir, 'file') }],
    'DATA_DIR must be a writable folder',
  ],
  [
    'a data folder too deep for a socket',
    () => [{ DATA_DIR: join(dir, 'x'.repeat(100)) }],
    'DATA_DIR must be a shorter path',
  ],
  [
    'a platform without binaries',
    () => [
      { DATA_DIR: join(dir, 'new') },
      pretend(`Object.defineProperty(process, 'platform', { value: 'sunos' })`),
    ],
    /no embedded PostgreSQL for this platform \(sunos-\w+\)\. Set DATABASE_URL/,
  ],
  [
    'Windows',
    () => [
      { DATA_DIR: join(dir, 'new') },
      pretend(`Object.defineProperty(process, 'platform', { value: 'win32' })`),
    ],
    /no embedded PostgreSQL for this platform \(windows-\w+\)\. Set DATABASE_URL/,
  ],
];
test.each(cases)(
  'the start with %s prints one line without a stack, with exit code 1',
  async (_what, startArguments, message) => {
    const { code, stdout, stderr } = await start(...startArguments()).exited;
    expect(code).toBe(1);
    expect(stdout).toBe('');
    const lines = stderr
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('{'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(message);
    expect(lines[0]).not.toContain('secret');
  },
);

test('the start reports several invalid settings at once', async () => {
  const { stderr } = await start({ PORT: 'x', LOG_LEVEL: 'y', GROUP_API_X: '1' }).exited;
  expect(stderr.trim().split('\n')).toHaveLength(3);
});
