import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readConfig } from '../../src/config/load-config.ts';
import { createCommandLine } from '../support/command-line.ts';
import { lineOf, runEverywhere } from '../support/run-everywhere.ts';
import {
  certificateFile,
  findFreePort,
  startTcpPostgres,
  type TcpPostgres,
} from '../support/tcp-postgres.ts';
import { urlOf } from '../support/test-database.ts';

/** The parts of the password: no program may print them. */
const marks = ['qzxa', 'wvkb', 'jyfc'];
const expectNoSecret = (text: string) => {
  for (const mark of marks) expect(text.toLowerCase()).not.toContain(mark);
};
const isMalformed =
  /^DATABASE_URL must be a URL such as postgresql:.* write \/ as %2F, # as %23, \? as %3F, % as %25/;

const malformedUrls = [
  'postgresql://user:5432/qzxa@host/db',
  'postgresql://user:qzxa/wvkb@host/db',
  'postgresql://user:5432/qzxa/wvkb@host:5432/db',
  'postgresql://user:5432/qzxa?wvkb@host/db',
  'postgresql://user:5432#qzxa@host/db',
  'postgresql://user:qzxa#wvkb@host/db',
  'postgresql://user:5432?qzxa@host/db',
  'postgresql://user:5432?qzxa=wvkb@host/db',
  'postgresql://user:qzxa?wvkb@host/db',
  'postgresql://user:5432?sslmode=qzxa@host/db',
  'postgresql://user:qzxa%@host/db',
  'postgresql://user:qzxa%wvkb@host/db',
  'postgresql://user:qzxa%00wvkb@host/db',
  'postgresql://user:%ffqzxa@host/db',
  'postgresql://user:qz@5432/qzxa@host/db',
  'postgresql://user:qzxa@wvkb/jyfc@host/db',
  'postgresql://user:qzxa wvkb@host/db',
  'postgresql://user:qzxa\twvkb@host/db',
  'postgresql://user:qzxa@ho st/db',
  'postgresql://user:qzxa@',
  'postgresql://user:qzxa@/db',
  'postgresql://user:qzxa',
  'postgresql://user:qzxa@host:port/db',
  'postgresql://user:qzxa@host:99999/db',
  'postgresql://user:qzxa@[::1/db',
  'postgresql:user:qzxa@host/db',
  'postgresql:/user:qzxa@host/db',
  'postgresql:///user:qzxa@host/db',
  'postgresql://user%3Aqzxa@host/db',
  'postgresql://user:qzxa%40host/db',
  'postgresql://host/db?user=u&password=qzxa&wvkb',
  'postgresql://host/db?user=u&password=qzxa#wvkb',
  'postgresql://host/db?user=u&password=qzxa@wvkb',
  'user:qzxa@host/db',
  'mysql://user:qzxa@host/db',
  'http://user:qzxa@host/db',
  'host=127.0.0.1 password=qzxa dbname=db',
  '//user:qzxa@host/db',
];

test.each(malformedUrls)(
  'a malformed URL (case %#) is rejected with a hint at percent-encoding, and not printed',
  (url) => {
    let message = '';
    try {
      readConfig({ DATABASE_URL: url }, false);
    } catch (error) {
      ({ message } = error as Error);
      expectNoSecret(String((error as Error).stack));
    }
    expect(message).toMatch(isMalformed);
  },
);

test('no program prints a part of the password of a malformed URL', async () => {
  const urls = malformedUrls.filter((_, index) => index % 4 === 0);
  for (const url of urls) {
    const { serve, migrate, doctor, everything } = await runEverywhere(url);
    expect([serve.code, migrate.code, doctor.code]).toStrictEqual([1, 1, 1]);
    for (const line of [lineOf(serve), migrate.message, doctor.wrong[0]]) expect(line).toMatch(isMalformed);
    expectNoSecret(everything);
  }
}, 120_000);

test.each([
  [
    'sslmode=prefer',
    /without sslmode=prefer, .* Use sslmode=verify-full, or sslmode=disable if the server does not support TLS$/,
  ],
  ['sslmode=allow', /without sslmode=allow/],
  ['sslmode=sometimes', /whose sslmode is one of disable, require, verify-ca, verify-full, no-verify$/],
  ['sslrootcert=/no/such.pem', /whose sslrootcert is a readable PEM file: ENOENT, \/no\/such\.pem$/],
  ['sslcert=/no/such.pem&sslkey=/no/key', /whose sslcert is a readable PEM file: ENOENT, \/no\/such\.pem$/],
  ['sslcert=/etc/hostname', /with both sslcert and sslkey$/],
  ['sslmode=require&ssl=true', /with sslmode=… instead of ssl=…$/],
  ['sslmode=disable&sslnegotiation=direct', /sslnegotiation=direct requires TLS$/],
  ['sslmode=require&sslmode=disable', /that sets sslmode only once$/],
  ['lock_timeout=5', /without the parameter lock_timeout: group-api sets its own value$/],
  ['search_path=plans', /without the parameter search_path: use schema=… instead$/],
  ['client_encoding=latin1', /without client_encoding: group-api uses UTF8$/],
  ['uselibpqcompat=true', /without the parameter uselibpqcompat\. Supported are schema, host, port,/],
  [
    'statement_timeout=soon',
    /whose statement_timeout is a whole number of milliseconds from 0 to 999999999$/,
  ],
  ['schema=', /whose schema has 1 to 63 bytes$/],
  ['schema=a%22b', /whose schema has no double quote$/],
  ['schema=pg_temp', /whose schema is not one that PostgreSQL uses itself$/],
  ['schema=%24user', /whose schema is not one that PostgreSQL uses itself$/],
])('the URL parameter %s is rejected by name', (parameter, message) => {
  const url = `postgresql://user:qzxa@127.0.0.1:1/db?${parameter}`;
  expect(() => readConfig({ DATABASE_URL: url }, false)).toThrow(message);
  expect(() => readConfig({ DATABASE_URL: url }, false)).not.toThrow(/qzxa/);
});

test.each([
  'postgresql://user:p@ss:word@127.0.0.1:5432/db',
  'postgres://user:p%2F%23%3F%25%40%3A@[::1]:5432/a%20b',
  'postgresql:///db?host=%2Fvar%2Frun%2Fpostgresql&user=me',
  'postgresql://%2Fvar%2Frun%2Fpostgresql/db',
  'POSTGRESQL://host',
  `postgresql://host/db?sslmode=verify-ca&sslrootcert=${certificateFile}&channel_binding=prefer`,
  'postgresql://host/db?options=-c%20geqo%3Doff&application_name=plans&statement_timeout=5000&client_encoding=UTF-8',
])('the URL %s is accepted', (url) => {
  expect(readConfig({ DATABASE_URL: url }, false).DATABASE_URL).toBe(url);
});

describe('a PostgreSQL by TCP', () => {
  const password = 'qzxa/#?%@: wvkb';
  let postgres: TcpPostgres;
  let base: string;
  let otherHost: string;
  beforeAll(async () => {
    postgres = await startTcpPostgres([
      'hostssl all secured 127.0.0.0/8 trust',
      'hostnossl all secured 127.0.0.0/8 reject',
    ]);
    await postgres.sql(`CREATE ROLE owner LOGIN PASSWORD '${password}'; CREATE ROLE secured LOGIN`);
    await postgres.sql('CREATE DATABASE plans OWNER owner');
    await postgres.sql('CREATE EXTENSION pg_trgm; GRANT ALL ON SCHEMA public TO owner, secured', 'plans');
    base = `127.0.0.1:${postgres.port}`;
    otherHost = `${postgres.otherHost}:${postgres.port}`;
  });
  afterAll(() => postgres.close());

  let url = '';
  const { run } = createCommandLine(() => ({ url }));
  const encoded = encodeURIComponent(password);

  test('a URL with a percent-encoded password, and with TLS, is accepted', async () => {
    url = `postgresql://owner:${encoded}@${base}/plans?sslmode=verify-full&sslrootcert=${certificateFile}`;
    const migrated = await run('migrate');
    expect([migrated.code, migrated.stderr]).toStrictEqual([0, '']);
    for (const mode of [
      'no-verify',
      'disable',
      `verify-ca&sslrootcert=${certificateFile}`,
      'require&sslrootcert=' + certificateFile,
    ]) {
      url = `postgresql://owner:${encoded}@${base}/plans?sslmode=${mode}`;
      const { code, stdout, stderr } = await run('doctor');
      expect([mode, code, stderr]).toStrictEqual([mode, 0, '']);
      expectNoSecret(stdout);
    }
  });

  test.each([
    [
      'a wrong password',
      () => `owner:wvkb@${base}/plans`,
      /password authentication failed.* Check the user name and the password in DATABASE_URL\. .*%40$/,
    ],
    [
      'no password',
      () => `owner@${base}/plans`,
      /: the server requires a password\. Add one to DATABASE_URL: postgresql:/,
    ],
    [
      'an unknown user',
      () => `nobody:qzxa@${base}/plans`,
      /password authentication failed for user "nobody"\. Check the user name/,
    ],
    [
      'an unknown database',
      () => `owner:${encoded}@${base}/none`,
      /database "none" does not exist\. Create the database with CREATE DATABASE/,
    ],
    [
      'a self-signed certificate',
      () => `owner:${encoded}@${base}/plans?sslmode=require`,
      /: its certificate is self-signed\. Add sslrootcert=.*, or sslmode=no-verify/,
    ],
    [
      'a certificate for another host',
      () => `owner:${encoded}@${otherHost}/plans?sslmode=require&sslrootcert=${certificateFile}`,
      /: its certificate is for another host name\. Use that host name in DATABASE_URL, or sslmode=verify-ca/,
    ],
    [
      'a user who needs TLS',
      () => `secured@${base}/plans?sslmode=disable`,
      /pg_hba\.conf rejects.*no encryption\. Add sslmode=verify-full to DATABASE_URL$/,
    ],
    [
      'nothing that listens',
      async () => `owner:qzxa@127.0.0.1:${await findFreePort()}/plans`,
      /ECONNREFUSED.* Check that the server is running, and that host and port/,
    ],
    [
      'an unknown host',
      () => 'owner:qzxa@no-such-host.invalid/plans',
      /(ENOTFOUND|EAI_AGAIN).* Check the host name in DATABASE_URL/,
    ],
    [
      'no route',
      () => 'owner:qzxa@192.0.2.1/plans',
      /(did not respond in time|EHOSTUNREACH|ENETUNREACH|ECONNREFUSED).* Check /,
    ],
    ['no such socket', () => 'owner:qzxa@%2Fno%2Fsuch%2Fsocket/plans', /ENOENT.* There is no such socket/],
    [
      'a file without a certificate',
      () => `owner:qzxa@${base}/plans?sslmode=verify-full&sslcert=/etc/passwd&sslkey=/etc/passwd`,
      /Check that the files of sslrootcert, sslcert and sslkey are PEM files/,
    ],
  ])(
    '%s is reported by each program in one line that says what to do',
    async (_, target, message) => {
      const { serve, migrate, doctor, everything } = await runEverywhere(`postgresql://${await target()}`);
      expect([serve.code, migrate.code, doctor.code]).toStrictEqual([1, 1, 1]);
      for (const line of [lineOf(serve), migrate.message, ...doctor.wrong]) {
        expect(line).toMatch(/^Cannot connect to PostgreSQL at [^\n]+$/);
        expect(line).toMatch(message);
      }
      expect(doctor.wrong).toHaveLength(1);
      expectNoSecret(everything);
    },
    60_000,
  );

  test('a PostgreSQL without TLS is reported if the URL requires TLS', async () => {
    await postgres.setTls(false);
    const { serve, migrate, doctor, everything } = await runEverywhere(
      `postgresql://owner:${encoded}@${base}/plans?sslmode=require`,
    );
    for (const line of [lineOf(serve), migrate.message, ...doctor.wrong]) {
      expect(line).toMatch(
        /: the server does not support TLS\. Enable TLS on the server, or use sslmode=disable in DATABASE_URL/,
      );
    }
    expectNoSecret(everything);
  });
});

test('urlOf, which other tests use, returns a URL that is accepted', () => {
  const url = urlOf({ host: '/tmp/a b', user: 'postgres', database: 'postgres' });
  expect(readConfig({ DATABASE_URL: url }, false).DATABASE_URL).toBe(url);
});
