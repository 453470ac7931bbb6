import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { openSwitchingProxy, type SwitchingProxy } from '../support/switching-proxy.ts';
import { replicationRule, startTcpPostgres, type TcpPostgres } from '../support/tcp-postgres.ts';
import { openTestApp, type TestApp } from '../support/test-app.ts';
import { useTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { waitUntil } from '../support/wait-until.ts';

// A primary whose commits can be made to wait for a synchronous standby, and a standby whose replay can be stopped.
let primary: TcpPostgres;
let standby: Awaited<ReturnType<TcpPostgres['startStandby']>>;
let proxy: SwitchingProxy;
let database: TestDatabase;
let app: TestApp;

const urlOf = (port: number) => `postgresql://postgres@127.0.0.1:${port}/postgres`;

beforeAll(async () => {
  primary = await startTcpPostgres([replicationRule]);
  proxy = await openSwitchingProxy(primary.port);
  database = useTestDatabase(urlOf(primary.port));
  app = await openTestApp({}, { ...database, url: urlOf(proxy.port) });
  standby = await primary.startStandby();
});
afterEach(async () => {
  await releaseCommits();
  proxy.switchTo(primary.port);
  await waitUntil(async () => (await app.send('/readyz')).status === 200);
});
afterAll(async () => {
  await app?.close();
  await proxy?.close();
  await standby?.close();
  await primary?.close();
});

const countWaiting = async () =>
  (await database.sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'")).length;

/** Lets each commit wait for a standby that does not exist. */
async function blockCommits(): Promise<void> {
  await primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  await primary.sql('SELECT pg_reload_conf()');
}
async function releaseCommits(): Promise<void> {
  await primary.sql('ALTER SYSTEM RESET synchronous_standby_names');
  await primary.sql('SELECT pg_reload_conf()');
  await waitUntil(async () => (await countWaiting()) === 0);
}

const unknownOutcome = /it is unknown whether the change was made/;
const changes: Readonly<Record<string, (id: number) => object>> = {
  deleteGroup: (id) => ({ id }),
  editGroup: (id) => ({ id, group: { name: 'Edited' } }),
};

/** Sends a change, and closes its connection while the commit waits; new connections lead to `nextPort`. */
async function loseCommit(
  operation: string,
  id: number,
  { headers, nextPort = primary.port }: { headers?: Record<string, string>; nextPort?: number },
) {
  await blockCommits();
  const response = app.post(`/${operation}`, changes[operation]!(id), headers);
  await waitUntil(async () => (await countWaiting()) > 0);
  proxy.switchTo(nextPort);
  proxy.cut();
  return response;
}

/** Returns whether the change of `operation` is visible on the primary. */
async function isDone(operation: string, id: number): Promise<boolean> {
  const [row] = await database.sql<{ name: string }>('SELECT name FROM groups WHERE id = $1', [id]);
  return operation === 'deleteGroup' ? row === undefined : row?.name === 'Edited';
}

test.each(Object.keys(changes))(
  'a %s whose connection is lost while its commit waits for a standby is reported as unknown, not as unchanged; repeated with its key it is executed once',
  async (operation) => {
    const id = await app.createGroup();
    const headers = { 'Idempotency-Key': `wait-${operation}` };
    const { status, body } = await loseCommit(operation, id, { headers });
    expect([status, body.errors[0].message]).toStrictEqual([503, expect.stringMatching(unknownOutcome)]);
    expect(await isDone(operation, id)).toBe(false);

    await releaseCommits();
    await waitUntil(() => isDone(operation, id));
    const repeated = await app.post(`/${operation}`, changes[operation]!(id), headers);
    expect([repeated.status, repeated.headers.get('idempotency-replayed')]).toStrictEqual([200, 'true']);
    const events = `SELECT outcome FROM audit_events WHERE operation = $1 AND target_ids = $2 AND outcome = 'done'`;
    expect(await database.sql(events, [operation, [String(id)]])).toHaveLength(1);
  },
);

test.each(Object.keys(changes))(
  'a %s whose connection is lost is reported as unknown, not as unchanged, while connections lead to a standby that lags',
  async (operation) => {
    const id = await app.createGroup();
    const onStandby = useTestDatabase(urlOf(standby.port));
    await waitUntil(async () => (await onStandby.sql('SELECT FROM groups WHERE id = $1', [id])).length > 0);
    await onStandby.sql('SELECT pg_wal_replay_pause()');
    try {
      const { status, body } = await loseCommit(operation, id, { nextPort: standby.port });
      expect([status, body.errors[0].message]).toStrictEqual([503, expect.stringMatching(unknownOutcome)]);
    } finally {
      await onStandby.sql('SELECT pg_wal_replay_resume()');
      await onStandby.drop();
    }
    await releaseCommits();
    await waitUntil(() => isDone(operation, id));
  },
);
