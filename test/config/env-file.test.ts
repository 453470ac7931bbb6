import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { parseEnvFile } from '../../src/config/env-file.ts';
import { settings } from '../../src/config/settings.ts';
import { findMisspeltNames } from '../../src/config/misspelt-names.ts';
import { bin } from '../support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const utf16 = (text: string, isBigEndian = false) => {
  const bytes = Buffer.from(`\ufeff${text}`, 'utf16le');
  return isBigEndian ? bytes.swap16() : bytes;
};
const parse = (content: string | Buffer) => {
  const { entries, problems } = parseEnvFile(Buffer.from(content as string));
  return { values: Object.fromEntries(entries.map(({ name, value }) => [name, value])), problems };
};

describe('a .env file', () => {
  const both = { A: '1', B: '2' };
  test.each<[string, string | Buffer, Record<string, string>]>([
    ['plain lines', 'A=1\nB=2\n', both],
    ['no line break at the end', 'A=1\nB=2', both],
    ['the line breaks of Windows', 'A=1\r\nB=2\r\n', both],
    ['those of old Macs', 'A=1\rB=2\r', both],
    ['a byte order mark', '\ufeffA=1\nB=2', both],
    ['UTF-16, little-endian', utf16('A=1\r\nB=2\r\n'), both],
    ['UTF-16, big-endian', utf16('A=1\r\nB=2\r\n', true), both],
    ['an empty file', '', {}],
    ['nothing but a byte order mark', '\ufeff', {}],
    ['a comment', '# c\nA=1\n#B=2\nB=2', both],
    ['a comment before a line break of old Macs', '# c\rA=1\rB=2', both],
    ['an apostrophe in a comment', "# it's\nA=1\nB=2 # that's", both],
    ['a quote in a comment', '# say "x\nA=1\nB="2"', both],
    ['an empty comment', '#\nA=1\n  #\nB=2', both],
    ['comments after values', `A=1 # c\nB="2"\t# it's "c"`, both],
    ['a comment right after a quote', 'A="1"#c\nB=2', both],
    ['a comment instead of a value', 'A= # c\nB=2', { A: '', B: '2' }],
    ['no value', 'A=\nB=2', { A: '', B: '2' }],
    ['a blank instead of a value', 'A= \nB=2', { A: '', B: '2' }],
    ['a carriage return instead of a value', 'A=\r\nB=2', { A: '', B: '2' }],
    ['empty quotes', 'A=""\nB=2', { A: '', B: '2' }],
    ['blanks and tabs', ' A = 1 \n\tB\t=\t2\t', both],
    ['blanks that do not break', '\u00a0A\u00a0=\u00a01\u00a0\nB=2', both],
    ['export', 'export A=1\n  export\t B=2', both],
    ['a setting named export', 'export=1', { export: '1' }],
    [
      'quotes of three kinds',
      'A="x \'y\' #"\nB=\'x "y" #\'\nC=`x \'y\' "z"`',
      { A: `x 'y' #`, B: 'x "y" #', C: `x 'y' "z"` },
    ],
    ['quotes within a value', `A=x "y\nB=it's`, { A: 'x "y', B: "it's" }],
    [
      '\\n, a line break in double quotes only',
      `A="x\\ny"\nB='x\\ny'\nC=x\\ny`,
      { A: 'x\ny', B: 'x\\ny', C: 'x\\ny' },
    ],
    [
      'a value of several lines',
      'A="-----BEGIN\nab+/cd==\n-----END"\nB=2',
      { A: '-----BEGIN\nab+/cd==\n-----END', B: '2' },
    ],
    ['a value of several lines with a comment', "A='x\r\ny' # c\r\nB=2", { A: 'x\ny', B: '2' }],
    ['Persian', 'A=سلام\nB="گروه # ۱" # یادداشت', { A: 'سلام', B: 'گروه # ۱' }],
    ['a URL with equals signs', 'A=postgresql://u:p@h/d?a=b&c=d', { A: 'postgresql://u:p@h/d?a=b&c=d' }],
    ['a number sign in quotes', 'A="pa#ss"', { A: 'pa#ss' }],
    ['a dollar sign', 'A=$B\nB=2', { A: '$B', B: '2' }],
  ])('a .env file with %s is accepted', (_what, content, values) => {
    expect(parse(content)).toStrictEqual({ values, problems: [] });
  });

  const noAssignment = 'expected NAME=value, an empty line, or a comment that starts with #';
  const hasNumberSign = 'quote the value: it contains a #, which may start a comment or be part of the value';
  test.each<[string, string | Buffer, string[]]>([
    ['no equals sign', 'A=1\nsecret\nB=2', [`.env, line 2: ${noAssignment}`]],
    ['a colon instead', '\n\nA: secret', [`.env, line 3: ${noAssignment}`]],
    ['no name', '=secret', [`.env, line 1: ${noAssignment}`]],
    ['a name that begins with a digit', '1A=secret', [`.env, line 1: ${noAssignment}`]],
    ['a blank in the name', 'A B=secret', [`.env, line 1: ${noAssignment}`]],
    ['an invisible character in the name', 'A=1\n\u200bB=secret', [`.env, line 2: ${noAssignment}`]],
    ['export alone', 'export\nA=1', [`.env, line 1: ${noAssignment}`]],
    ['a number sign within a value', 'A=secret#secret', [`.env, line 1: ${hasNumberSign}`]],
    ['a number sign before a value', 'A=1\r\n\r\nB=#secret', [`.env, line 3: ${hasNumberSign}`]],
    [
      'a quote that nothing closes',
      'A="secret\nB=2',
      ['.env, line 1: the value starts with ", but has no closing "'],
    ],
    [
      'a quote that a later setting would close',
      'A="secret\nB="2"',
      ['.env, line 1: the value starts with ", but has no closing "'],
    ],
    [
      'a quote that a later comment would close',
      "A='secret\n# it's",
      [".env, line 1: the value starts with ', but has no closing '"],
    ],
    [
      'text after a quote',
      'A="x"secret',
      ['.env, line 1: text follows the closing ". Quote the value with another of " \' and `'],
    ],
    [
      'a quote with a backslash',
      'A="x\\"secret"',
      ['.env, line 1: text follows the closing ". Quote the value with another of " \' and `'],
    ],
    ['a NUL', 'A=1\nB=secret\0', ['.env, line 2: contains a NUL character. Save the file as UTF-8']],
    [
      'UTF-16 without its mark',
      Buffer.from('A=secret', 'utf16le'),
      ['.env, line 1: contains a NUL character. Save the file as UTF-8'],
    ],
    [
      'UTF-32',
      Buffer.from('fffe000041000000', 'hex'),
      ['.env, line 1: contains a NUL character. Save the file as UTF-8'],
    ],
    [
      'half a UTF-16 character',
      Buffer.concat([utf16('A=1'), Buffer.from([0x41])]),
      ['.env ends in the middle of a UTF-16 character. Save it as UTF-8'],
    ],
    [
      'Latin-1',
      Buffer.from('A=1\r\nB=secr\xe9t', 'latin1'),
      ['.env, line 2: not valid UTF-8. Save the file as UTF-8'],
    ],
    ['several faults', 'x\nA=1\ny', [`.env, line 1: ${noAssignment}`, `.env, line 3: ${noAssignment}`]],
  ])(
    'a .env file with %s is rejected with the line number, without the value',
    (_what, content, problems) => {
      expect(parse(content).problems).toStrictEqual(problems);
    },
  );
});

describe('the detection of misspelt settings', () => {
  const misspelt = (name: string) => findMisspeltNames([name], Object.keys(settings))[0]?.meant;

  test.each([
    ['DATABSE_URL', 'DATABASE_URL'],
    ['DATBASE_ULR', 'DATABASE_URL'],
    ['DATABASE_URI', 'DATABASE_URL'],
    ['database_url', 'DATABASE_URL'],
    ['DATABASE-URL', 'DATABASE_URL'],
    ['DATABASEURL', 'DATABASE_URL'],
    ['ADMIN_APIKEY', 'ADMIN_API_KEY'],
    ['ADMIN_API_KEYS', 'ADMIN_API_KEY'],
    ['SAMPLE_DATA_', 'SAMPLE_DATA'],
    ['SAMPEL_DATA', 'SAMPLE_DATA'],
    ['DATADIR', 'DATA_DIR'],
    ['DATA_DIRS', 'DATA_DIR'],
    ['LOGLEVEL', 'LOG_LEVEL'],
    ['LOG_LEVLE', 'LOG_LEVEL'],
    ['port', 'PORT'],
    ['PROT', 'PORT'],
    ['HSOT', 'HOST'],
    ['TLS_CERTFILE', 'TLS_CERT_FILE'],
    ['CORS_ORIGIN', 'CORS_ORIGINS'],
    ['DELETED_GROUPS_RETENTION_DAYS', 'DELETED_GROUP_RETENTION_DAYS'],
  ])('%s is reported as a misspelt %s', (name, meant) => {
    expect(misspelt(name)).toBe(meant);
  });

  test.each(
    `HOSTNAME PATH PORTAL LOGNAME PGHOST PGPORT PGDATA PGUSER DATA DATABASE DATE DIR HOME HOSTS HOSTTYPE HOT COST POST PORTS SORT
     SPORT PWD OLDPWD USER SHELL LANG LC_ALL TERM TZ EDITOR PAGER LEVEL LOG DEBUG MAIL DISPLAY HTTP_PROXY NO_PROXY http_proxy
     NODE_ENV NODE_OPTIONS NODE_EXTRA_CA_CERTS SSL_CERT_FILE SSL_CERT_DIR SSL_KEY_FILE TMPDIR INIT_CWD COLOR EDITOR npm_command
     npm_config_port npm_lifecycle_event npm_lifecycle_script npm_package_name npm_node_execpath npm_execpath API_KEY
     POSTGRES_PASSWORD POSTGRES_USER POSTGRES_DB TEST_DATABASE_URL DATABASE_URL_OLD DATABASE_URL_2 JWT_SECRET RATE_LIMIT
     SHADOW_DATABASE_URL DIRECT_URL REDIS_URL METRICS_PORT METRICS_HOST OTEL_SERVICE_NAME`
      .trim()
      .split(/\s+/),
  )('%s is not reported as misspelt', (name) => {
    expect(misspelt(name)).toBeUndefined();
  });

  test('a correct setting is not reported as misspelt, nor is a similar name next to the correct one', () => {
    const names = Object.keys(settings);
    for (const name of names) expect(misspelt(name)).toBeUndefined();
    expect(findMisspeltNames(['DATABASE_URI', 'DATABASE_URL'], names)).toStrictEqual([]);
  });
});

describe('a program that is started in a folder with a .env file', () => {
  let dir: string;
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const run = async (
    content: string | Buffer,
    args: readonly string[],
    environment: Record<string, string> = {},
  ) => {
    dir = await mkdtemp(join(tmpdir(), 'group-api-env-'));
    await writeFile(join(dir, '.env'), content);
    const child = spawn(process.execPath, args, {
      cwd: dir,
      env: { PATH: process.env['PATH'], ...environment },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const code = await new Promise((resolve) => child.on('close', resolve));
    // No embedded database was created instead of the configured one.
    expect(await readdir(dir)).toStrictEqual(['.env']);
    return { code, stdout, stderr };
  };
  const unreachable = 'DATABASE_URL=postgresql://u:secret@127.0.0.1:1/d';
  const list = [bin, 'groups', 'list', '--json'];

  test.each([
    ['a byte order mark', `\ufeff${unreachable}\nPORT=0\n`],
    ['UTF-16', utf16(`${unreachable}\r\nPORT=0\r\n`)],
    ['a comment and the line breaks of old Macs', `# c\r${unreachable}\rPORT=0\r`],
  ])('the server and a command read a .env file with %s', async (_what, content) => {
    for (const args of [[main], [bin, 'serve'], [bin, 'groups', 'list']]) {
      const { code, stderr } = await run(content, args);
      expect([code, stderr]).toStrictEqual([
        1,
        expect.stringMatching(/^group-api: Cannot connect to PostgreSQL at 127\.0\.0\.1:1\/d: /),
      ]);
      await rm(dir, { recursive: true });
    }
  });

  test('a program reports each invalid line of a .env file by its number, without values', async () => {
    const content =
      'DATABSE_URL=postgresql://secret@h/d\nPORT 80 secret\nPORT=http\nDATA_DIR=a\nDATA_DIR=b\nADMIN_API_KEY="secret\n';
    const expected = [
      'group-api: .env, line 2: expected NAME=value, an empty line, or a comment that starts with #',
      'group-api: .env, line 6: the value starts with ", but has no closing "',
      'group-api: .env, line 5: DATA_DIR is already set on line 4',
      'group-api: .env, line 1: DATABSE_URL is not a setting: did you mean DATABASE_URL?',
      'group-api: PORT must be a whole number from 0 to 65535, not "http"',
    ];
    for (const args of [[main], [bin, 'groups', 'list'], [bin, 'accounts', 'list']]) {
      const { code, stdout, stderr } = await run(content, args);
      expect([code, stdout, stderr.trim().split('\n')]).toStrictEqual([1, '', expected]);
      await rm(dir, { recursive: true });
    }
    const doctor = await run(content, [bin, 'doctor']);
    expect(doctor.code).toBe(1);
    for (const line of expected) expect(doctor.stdout).toContain(line.replace('group-api: ', ''));
    expect(doctor.stdout).toContain('Skipped: fix the settings first');
    expect(doctor.stdout).not.toContain('secret');
  });

  test("a program prefers the environment to the .env file, and ignores other programs' names in it", async () => {
    const content = `${unreachable}\nPOSTGRES_PASSWORD=x\nPOSTGRES_PASSWORD=y\n`;
    const { code, stderr } = await run(content, list, { DATABASE_URL: database.url });
    expect([code, stderr]).toStrictEqual([0, '']);
  });

  test('a program warns about a misspelt setting in the environment, and starts', async () => {
    const environment = { DATABASE_URL: database.url, ADMIN_APIKEY: 'secret', HOSTNAME: 'h' };
    const warning = 'ADMIN_APIKEY is not a setting and is ignored: did you mean ADMIN_API_KEY?';
    const { code, stderr } = await run('', list, environment);
    expect([code, JSON.parse(stderr)]).toStrictEqual([
      0,
      expect.objectContaining({ level: 40, msg: warning }),
    ]);
    await rm(dir, { recursive: true });
    const doctor = JSON.parse((await run('', [bin, 'doctor', '--json'], environment)).stdout);
    expect(doctor.isWrong).toBe(false);
    expect(doctor.checks).toContainEqual({ state: 'warning', name: 'settings', message: warning });
    await rm(dir, { recursive: true });
    const server = await run('', [main], { ADMIN_APIKEY: 'secret', DATABASE_URL: unreachable.slice(13) });
    expect(server.stderr).toContain(`"msg":"${warning}"`);
  });
});
