import { createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readConfig } from '../../src/config/load-config.ts';
import { createPool } from '../../src/postgres/connection.ts';
import { describeConnectionError } from '../../src/postgres/connection-error.ts';
import { readDatabaseUrl } from '../../src/postgres/database-url.ts';
import { parameterNames, rejectedParameters } from '../../src/postgres/url-parameters.ts';
import { openForwarder, type Forwarder } from '../support/forwarder.ts';
import {
  certificateFile,
  findFreePort,
  startTcpPostgres,
  type TcpPostgres,
} from '../support/tcp-postgres.ts';

/** Connects as a server does, and returns the result of a query. */
async function query(url: string, text: string): Promise<unknown> {
  const database = readDatabaseUrl(url);
  const pool = createPool(
    { connectionTimeoutMillis: 3000, ...database.connection, max: 2 },
    database.sessionSettings,
  );
  pool.on('error', () => undefined);
  try {
    const { rows } = await pool.query<{ value: unknown }>(`SELECT ${text} AS value`);
    return rows[0]!.value;
  } catch (error) {
    throw new Error(describeConnectionError(error, database.description), { cause: error });
  } finally {
    await pool.end();
  }
}

/** Stands for the path of the certificate. */
const cert = 'sslrootcert=CERTIFICATE';
const isEncrypted = '(SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())';

/** Parameters that are applied: `query` returns `value` in a session of such a URL. */
const applied: readonly (readonly [parameters: string, query: string, value: unknown])[] = [
  ['', isEncrypted, false],
  ['sslmode=disable', isEncrypted, false],
  ['sslmode=no-verify', isEncrypted, true],
  [`sslmode=require&${cert}`, isEncrypted, true],
  [`sslmode=verify-ca&${cert}`, isEncrypted, true],
  [`sslmode=verify-full&${cert}`, isEncrypted, true],
  [cert, isEncrypted, true],
  ['ssl=no-verify', isEncrypted, true],
  ['ssl=false', isEncrypted, false],
  ['sslmode=no-verify&sslnegotiation=direct', isEncrypted, true],
  ['sslmode=no-verify&sslnegotiation=postgres', isEncrypted, true],
  ['sslmode=no-verify&channel_binding=require', isEncrypted, true],
  ['sslmode=no-verify&channel_binding=prefer', isEncrypted, true],
  ['channel_binding=prefer', isEncrypted, false],
  ['channel_binding=disable', isEncrypted, false],
  ['application_name=plans', `current_setting('application_name')`, 'plans'],
  ['client_encoding=UTF8', `current_setting('client_encoding')`, 'UTF8'],
  ['options=-c%20geqo%3Doff', `current_setting('geqo')`, 'off'],
  ['options=-cgeqo%3Doff%20--work-mem%3D2MB', `current_setting('work_mem')`, '2MB'],
  ['options=-c%20my.text%3Dtwo%5C%20words', `current_setting('my.text')`, 'two words'],
  ['statement_timeout=5000', `current_setting('statement_timeout')`, '5s'],
  ['statement_timeout=0', `current_setting('statement_timeout')`, '0'],
  [
    'idle_in_transaction_session_timeout=7000',
    `current_setting('idle_in_transaction_session_timeout')`,
    '7s',
  ],
  ['connect_timeout=20', '1', 1],
  ['target_session_attrs=any', '1', 1],
  ['target_session_attrs=read-write', '1', 1],
  ['target_session_attrs=primary', '1', 1],
  ['schema=plans', '1', 1],
  ['connection_limit=3', '1', 1],
  ['pgbouncer=true', '1', 1],
  ['pgbouncer=false', '1', 1],
];

/** Parameters with which the start, or the connection, is rejected with a message. */
const rejected: readonly (readonly [parameters: string, message: string])[] = [
  [
    'sslmode=require',
    'its certificate is self-signed. Add sslrootcert=/path/of/its/authority.pem to DATABASE_URL, or sslmode=no-verify',
  ],
  ['sslmode=verify-full&sslrootcert=system', 'its certificate is self-signed. Add sslrootcert='],
  ['sslmode=verify-ca&sslrootcert=system', 'its certificate is self-signed. Add sslrootcert='],
  ['sslmode=prefer', 'a URL without sslmode=prefer, which allows unencrypted connections'],
  ['sslmode=allow', 'a URL without sslmode=allow, which allows unencrypted connections'],
  ['sslmode=on', 'a URL whose sslmode is one of disable, require, verify-ca, verify-full, no-verify'],
  ['sslrootcert=/none.pem', 'a URL whose sslrootcert is a readable PEM file: ENOENT, /none.pem'],
  ['sslcert=/none.pem', 'a URL with both sslcert and sslkey'],
  ['sslnegotiation=fast', 'a URL whose sslnegotiation is postgres or direct'],
  ['channel_binding=require', 'a URL with sslmode=verify-full, since channel_binding=require requires TLS'],
  ['channel_binding=on', 'a URL whose channel_binding is require, prefer or disable'],
  ['client_encoding=LATIN1', 'a URL without client_encoding: group-api uses UTF8'],
  ['options=-c%20search_path%3Dx', 'a URL whose options do not set search_path: use schema=… instead'],
  ['options=--Lock-Timeout%3D1', 'a URL whose options do not set lock_timeout: group-api sets its own value'],
  ['options=-c%20TimeZone%3DUTC', 'a URL whose options do not set timezone: group-api uses UTC'],
  ['options=endpoint%3Dabc', 'a URL whose options are settings such as options=-c%20geqo%3Doff'],
  ['options=-B%205', 'a URL whose options are settings such as options=-c%20geqo%3Doff'],
  ['options=-c', 'a URL whose options are settings such as options=-c%20geqo%3Doff'],
  [
    'options=-c%20no_such%3D1',
    'unrecognized configuration parameter "no_such". Correct the options in DATABASE_URL',
  ],
  ['options=-c%20geqo%3Dperhaps', 'parameter "geqo" requires a Boolean value. Correct the options'],
  [
    'statement_timeout=5s',
    'a URL whose statement_timeout is a whole number of milliseconds from 0 to 999999999',
  ],
  ['connect_timeout=0', 'a URL whose connect_timeout is a whole number of seconds from 1 to 600'],
  ['connect_timeout=soon', 'a URL whose connect_timeout is a whole number of seconds from 1 to 600'],
  ['connection_limit=0', 'a URL whose connection_limit is a whole number from 1 to 1000'],
  ['pgbouncer=yes', 'a URL whose pgbouncer is true or false'],
  ['target_session_attrs=standby', 'a URL whose target_session_attrs is one of any, read-write, primary'],
  [
    'target_session_attrs=prefer-standby',
    'a URL whose target_session_attrs is one of any, read-write, primary',
  ],
  ['host=a,b', 'a URL with target_session_attrs=read-write or primary, since only one of several hosts'],
  [
    'host=a,b&port=1,2,3&target_session_attrs=primary',
    'a URL with as many ports as hosts, or one port for all',
  ],
  ['host=a,&target_session_attrs=primary', 'a URL whose list of hosts has no empty name'],
  ['port=70000', 'a URL whose port is a whole number from 1 to 65535'],
  ['schema=pg_catalog', 'a URL whose schema is not one that PostgreSQL uses itself'],
  ['no_such=1', 'a URL without the parameter no_such. Supported are schema, host, port,'],
  ...Object.entries(rejectedParameters).map(
    ([name, advice]) => [`${name}=1`, `a URL without the parameter ${name}: ${advice}`] as const,
  ),
];

test('the tables have each parameter', () => {
  const tested = [...applied, ...rejected].flatMap(([parameters]) =>
    parameters.split('&').map((parameter) => parameter.split('=')[0]),
  );
  const elsewhere = ['host', 'port', 'user', 'password', 'sslcert', 'sslkey'];
  expect(parameterNames.filter((name) => !tested.includes(name) && !elsewhere.includes(name))).toStrictEqual(
    [],
  );
});

describe('a PostgreSQL by TCP', () => {
  const password = 'a password';
  let postgres: TcpPostgres;
  let standby: TcpPostgres;
  let url: string;
  beforeAll(async () => {
    [postgres, standby] = await Promise.all([startTcpPostgres(), startTcpPostgres([], undefined, true)]);
    await postgres.sql(`CREATE ROLE owner LOGIN PASSWORD '${password}'`);
    await postgres.sql('CREATE DATABASE plans OWNER owner');
    url = `postgresql://owner:${encodeURIComponent(password)}@127.0.0.1:${postgres.port}/plans`;
  });
  afterAll(() => Promise.all([postgres.close(), standby.close()]));
  const trusted = (hosts: string, parameters = '') => `postgresql://postgres@${hosts}/postgres${parameters}`;

  test.each(applied)('with the parameters "%s", %s is %s', async (parameters, text, value) => {
    expect(await query(`${url}?${parameters.replace('CERTIFICATE', certificateFile)}`, text)).toBe(value);
  });

  test.each(rejected)('with the parameters "%s" the message has: %s', async (parameters, message) => {
    const error: unknown = await query(
      `${url}?${parameters.replace('CERTIFICATE', certificateFile)}`,
      '1',
    ).then(
      () => undefined,
      (failure: unknown) => failure,
    );
    expect((error as Error).message).toContain(message);
    expect((error as Error).message).not.toContain('password@');
  });

  test('host, port, user and password in parameters replace those of the URL', async () => {
    const parameters = `host=127.0.0.1&port=${postgres.port}&user=owner&password=${encodeURIComponent(password)}`;
    expect(await query(`postgresql://x:y@no-such-host.invalid:1/plans?${parameters}`, 'current_user')).toBe(
      'owner',
    );
  });

  test('channel_binding=require rejects a server that requests no password, or no SCRAM', async () => {
    const parameters = '?sslmode=no-verify&channel_binding=require';
    await expect(query(trusted(`127.0.0.1:${postgres.port}`, parameters), '1')).rejects.toThrow(
      'the server does not offer channel binding. Use TLS, a password and scram-sha-256 on the server, or',
    );
  });

  test('connect_timeout limits the wait for a server that does not respond', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    await expect(
      query(trusted(`127.0.0.1:${(silent.address() as AddressInfo).port}`, '?connect_timeout=1'), '1'),
    ).rejects.toThrow('did not respond in time');
    silent.close();
  });

  test('an IPv6 address in brackets is applied', async () => {
    let server: Forwarder;
    try {
      server = await openForwarder(postgres.port, '::1');
    } catch {
      process.stderr.write('This machine has no IPv6: its addresses are not tried\n');
      return;
    }
    expect(await query(trusted(`[::1]:${server.port}`), '1')).toBe(1);
    await server.close();
  });

  test('a standby is rejected with target_session_attrs, and accepted without', async () => {
    const hosts = `127.0.0.1:${standby.port}`;
    expect(await query(trusted(hosts), 'pg_is_in_recovery()')).toBe(true);
    for (const target of ['read-write', 'primary']) {
      await expect(query(trusted(hosts, `?target_session_attrs=${target}`), '1')).rejects.toThrow(
        /^Cannot connect to PostgreSQL at 127.*: it is a standby\. Set DATABASE_URL to the primary$/,
      );
    }
  });

  test('a read-only database is rejected with read-write, and accepted with primary', async () => {
    await postgres.sql('CREATE DATABASE readable');
    await postgres.sql('ALTER DATABASE readable SET default_transaction_read_only = on');
    const readable = `postgresql://postgres@127.0.0.1:${postgres.port}/readable`;
    expect(await query(`${readable}?target_session_attrs=primary`, '1')).toBe(1);
    await expect(query(`${readable}?target_session_attrs=read-write`, '1')).rejects.toThrow(
      'it is read-only',
    );
  });

  test.each(['read-write', 'primary'])('of several hosts, %s selects the primary', async (target) => {
    const unused = await findFreePort();
    const hosts = `127.0.0.1:${unused},127.0.0.1:${standby.port},127.0.0.1:${postgres.port}`;
    const parameters = `?target_session_attrs=${target}`;
    expect(await query(trusted(hosts, parameters), 'pg_is_in_recovery()')).toBe(false);
    const listed = `&host=127.0.0.1,127.0.0.1&port=${standby.port},${postgres.port}`;
    expect(await query(trusted('x', parameters + listed), 'pg_is_in_recovery()')).toBe(false);
  });

  test('if none of several hosts can be used, the message has the reason of each', async () => {
    const unused = await findFreePort();
    const hosts = `127.0.0.1:${unused},127.0.0.1:${standby.port}`;
    await expect(query(trusted(hosts, '?target_session_attrs=primary'), '1')).rejects.toThrow(
      `Cannot connect to PostgreSQL at ${hosts}/postgres: none of the hosts can be used (127.0.0.1:${unused}: connect ` +
        `ECONNREFUSED 127.0.0.1:${unused}; 127.0.0.1:${standby.port}: it is a standby). Check that one of them is running`,
    );
  });

  test('after the host of a pool has failed, its connections go to the next one, and back again', async () => {
    const first = await openForwarder(postgres.port);
    const second = await openForwarder(postgres.port);
    const ports = [first.port, second.port];
    const database = readDatabaseUrl(
      trusted(ports.map((port) => `127.0.0.1:${port}`).join(','), '?target_session_attrs=read-write'),
    );
    const pool = createPool({ ...database.connection, connectionTimeoutMillis: 3000, max: 4, maxUses: 1 });
    const queryAll = () => Promise.all(Array.from({ length: 8 }, () => pool.query('SELECT 1')));
    await queryAll();
    expect(database.connection.hosts!.current.port).toBe(ports[0]);
    await first.stop();
    await queryAll();
    expect(database.connection.hosts!.current.port).toBe(ports[1]);
    await first.start();
    await second.stop();
    await queryAll();
    expect(database.connection.hosts!.current.port).toBe(ports[0]);
    await pool.end();
    await first.close();
  });
});

test('connection_limit and pgbouncer are defaults of settings, and rejected together with them', () => {
  const url = 'postgresql://host/db?connection_limit=3&pgbouncer=true';
  const config = readConfig({ DATABASE_URL: url }, false);
  expect([config.DATABASE_POOL_SIZE, config.DATABASE_PREPARED_STATEMENTS]).toStrictEqual([3, false]);
  const both = { DATABASE_URL: url, DATABASE_POOL_SIZE: '5', DATABASE_PREPARED_STATEMENTS: 'true' };
  expect(() => readConfig(both, false)).toThrow(
    'Set DATABASE_POOL_SIZE or connection_limit in DATABASE_URL, not both\n' +
      'Set DATABASE_PREPARED_STATEMENTS or pgbouncer in DATABASE_URL, not both',
  );
});

test('a Unix socket is applied, in the host of the URL and in its parameter', async () => {
  const folder = new URL(process.env['TEST_ADMIN_URL']!).searchParams.get('host');
  if (!folder) return;
  const socket = encodeURIComponent(folder);
  const user = new URL(process.env['TEST_ADMIN_URL']!).searchParams.get('user');
  expect(await query(`postgresql://${socket}/postgres?user=${user}`, '1')).toBe(1);
  expect(await query(`postgresql:///postgres?host=${socket}&user=${user}`, '1')).toBe(1);
});
