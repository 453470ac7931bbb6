import { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { openSwitchingProxy, type SwitchingProxy } from '../support/switching-proxy.ts';
import { replicationRule, startTcpPostgres, type TcpPostgres } from '../support/tcp-postgres.ts';
import { openTestApp, type ApiResponse, type TestApp } from '../support/test-app.ts';
import { useTestDatabase } from '../support/test-database.ts';
import { waitUntil } from '../support/wait-until.ts';

// The server connects through a proxy to a primary, which has a real standby.
let primary: TcpPostgres;
let standby: Awaited<ReturnType<TcpPostgres['startStandby']>>;
let proxy: SwitchingProxy;
let app: TestApp;

beforeAll(async () => {
  primary = await startTcpPostgres([replicationRule]);
  proxy = await openSwitchingProxy(primary.port);
  const database = useTestDatabase(`postgresql://postgres@127.0.0.1:${primary.port}/postgres`);
  app = await openTestApp({}, { ...database, url: `postgresql://postgres@127.0.0.1:${proxy.port}/postgres` });
  standby = await primary.startStandby();
});
afterAll(async () => {
  await app?.close();
  await proxy?.close();
  await standby?.close();
  await primary?.close();
});

afterEach(async () => {
  proxy.switchTo(primary.port);
  proxy.accept();
  await expectRecovery();
});

/** What a caller reads if nothing was changed, and if the connection was lost during a change. */
const unavailableMessage =
  /^The database is not available at the moment\. Try again later$|^The connection to the database was lost during the change, and it is unknown/;

/** A response that lets the client try again, and shows nothing of the database. */
function expectUnavailable({ status, headers, body }: ApiResponse): void {
  expect([status, headers.get('retry-after'), body]).toMatchObject([
    503,
    '1',
    {
      errors: [
        {
          message: expect.stringMatching(unavailableMessage),
          extensions: { code: 'SERVICE_UNAVAILABLE' },
        },
      ],
    },
  ]);
}

/** Waits until the server is ready and deletes a group: after a fault, connections are being replaced. */
async function expectRecovery(): Promise<void> {
  await waitUntil(async () => (await app.send('/readyz')).status === 200);
  await waitUntil(async () => (await app.post('/allGroups', {})).status === 200);
  const id = await app.createGroup();
  expect((await app.post('/deleteGroup', { id })).status).toBe(200);
}

describe('a server whose connections lead to a standby', () => {
  test('rejects mutations with 503, is not ready, and works again by itself once they lead to the primary', async () => {
    const id = await app.createGroup();
    proxy.switchTo(standby.port);
    proxy.cut();
    await waitUntil(async () => {
      const { status, headers, body } = await app.send('/readyz');
      return status === 503 && headers.get('retry-after') === '1' && body.reason === 'standby';
    });
    expectUnavailable(await app.post('/deleteGroup', { id }));
    expectUnavailable(await app.post('/editGroup', { id, group: { name: 'E' } }));
    expectUnavailable(await app.post('/deleteGroup', { id, dryRun: true }));
    expect((await app.send('/livez')).status).toBe(200);

    // Connections to the standby stay open, as those through a DNS name do: only new ones lead to the primary.
    proxy.switchTo(primary.port);
    await expectRecovery();
    expect((await app.post('/deleteGroup', { id })).status).toBe(200);
  });

  test('replaces its connections after the first rejected mutation, before the watchdog has found the standby', async () => {
    const id = await app.createGroup();
    proxy.switchTo(standby.port);
    proxy.cut();
    await waitUntil(async () => (await app.post('/editGroup', { id, group: { name: 'F' } })).status === 503);
    proxy.switchTo(primary.port);
    await waitUntil(async () => (await app.post('/editGroup', { id, group: { name: 'G' } })).status === 200);
  });
});

/** Calls that open a transaction, or run one statement, or read. */
const calls: Readonly<Record<string, (id: number) => Promise<ApiResponse>>> = {
  deleteGroup: (id) => app.post('/deleteGroup', { id }),
  editGroup: (id) => app.post('/editGroup', { id, group: { name: 'E' } }),
  group: (id) => app.post('/group', { id }),
};

describe('a database that rejects connections with', () => {
  test.each([
    ['08004', 'sqlserver_rejected_establishment_of_sqlconnection'],
    ['08006', 'connection failure'],
    ['08P01', 'no more connections allowed (max_client_conn)'],
    ['28000', 'role "postgres" is not permitted to log in'],
    ['28P01', 'password authentication failed for user "postgres"'],
    ['3D000', 'database "postgres" does not exist'],
    ['42501', 'permission denied for database "postgres"'],
    ['53300', 'sorry, too many clients already'],
    ['55000', 'database "postgres" is not currently accepting connections'],
    ['57P03', 'the database system is starting up'],
    ['58000', 'could not open file'],
    ['XX000', 'Tenant or user not found'],
  ])('%s (%s): each call gets 503 with Retry-After, and succeeds afterwards', async (code, message) => {
    const id = await app.createGroup();
    proxy.reject({ code, message });
    proxy.cut();
    // The first call may find a connection that was closed; twice, so that one opens a connection.
    for (const call of [...Object.values(calls), ...Object.values(calls)]) expectUnavailable(await call(id));
    expect((await app.send('/readyz')).status).toBe(503);
  });
});

describe('a database that ends a statement with', () => {
  test.each([
    ['08006', 'connection failure'],
    ['08P01', 'server conn crashed?'],
    ['25006', 'cannot execute UPDATE in a read-only transaction'],
    ['53100', 'could not extend file: No space left on device'],
    ['53200', 'out of memory'],
    ['57P01', 'terminating connection due to administrator command'],
    ['57P02', 'terminating connection because of crash of another server process'],
    ['57P03', 'the database system is shutting down'],
    ['57P04', 'database "postgres" was dropped'],
    ['57P05', 'terminating connection due to idle-session timeout'],
    ['58030', 'could not read block 0'],
  ])('%s (%s): the call gets 503 with Retry-After, or its response, and never 500', async (code, message) => {
    for (const call of Object.values(calls)) {
      await expectRecovery();
      const id = await app.createGroup();
      proxy.failNextStatement({ code, message });
      const response = await call(id);
      if (response.status !== 200) expectUnavailable(response);
    }
  });
});

describe('a network that fails with', () => {
  const networkCodes = [
    'ECONNABORTED',
    'ECONNREFUSED',
    'ECONNRESET',
    'EHOSTDOWN',
    'EHOSTUNREACH',
    'ENETDOWN',
    'ENETUNREACH',
    'ENOTFOUND',
    'EPIPE',
    'ETIMEDOUT',
  ];

  test.each(networkCodes)(
    '%s: each call gets 503 with Retry-After, and succeeds afterwards',
    async (code) => {
      const id = await app.createGroup();
      const network = breakNetwork(proxy.port, code);
      try {
        for (const call of [...Object.values(calls), ...Object.values(calls)])
          expectUnavailable(await call(id));
        expect((await app.send('/readyz')).status).toBe(503);
      } finally {
        network.repair();
      }
    },
  );

  test('a connection that is reset during a call: the call gets 503 or its response, and never 500', async () => {
    const ids = await Promise.all(Array.from({ length: 8 }, () => app.createGroup()));
    const answers = Promise.all(
      ids.flatMap((id) => [app.post('/editGroup', { id, group: { name: 'E' } }), app.post('/group', { id })]),
    );
    proxy.cut('reset');
    for (const { status } of await answers) expect([200, 503]).toContain(status);
  });
});

/**
 * Lets connections to a port of this machine fail, new and open ones, with a code of the system. The kernel cannot be
 * made to report most of them without changing the routes of the whole machine.
 */
function breakNetwork(port: number, code: string): { repair(): void } {
  // any: the overloads of Node.
  type Method = (this: Socket, ...args: any[]) => any;
  const [connect, write] = ['connect', 'write'].map((name): Method => Reflect.get(Socket.prototype, name));
  const failure = () => Object.assign(new Error(`connect ${code}`), { code, errno: -1, syscall: 'connect' });
  Socket.prototype.connect = function (this: Socket, ...args: any[]) {
    const [target] = args.flat();
    if (Number(target?.port ?? target) !== port) return connect!.apply(this, args);
    process.nextTick(() => this.destroy(failure()));
    return this;
  };
  Socket.prototype.write = function (this: Socket, ...args: any[]) {
    if (this.remotePort === port) this.destroy(failure());
    return write!.apply(this, args);
  };
  return { repair: () => void Object.assign(Socket.prototype, { connect, write }) };
}
