import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openForwarder, type Forwarder } from '../support/forwarder.ts';
import { startTcpPostgres, type TcpPostgres } from '../support/tcp-postgres.ts';
import { openTestApp } from '../support/test-app.ts';
import { useTestDatabase } from '../support/test-database.ts';
import { waitUntil } from '../support/wait-until.ts';

let postgres: TcpPostgres;
let standby: TcpPostgres;
let first: Forwarder;
let second: Forwarder;
beforeAll(async () => {
  [postgres, standby] = await Promise.all([startTcpPostgres(), startTcpPostgres([], undefined, true)]);
  first = await openForwarder(postgres.port);
  second = await openForwarder(postgres.port);
});
afterAll(async () => {
  await Promise.all([first.close(), second.close()]);
  await Promise.all([postgres.close(), standby.close()]);
});

test('a server with several hosts uses the one that accepts writes, and another one after a failover; with none it returns 503', async () => {
  const hosts = [standby, first, second].map(({ port }) => `127.0.0.1:${port}`).join(',');
  const app = await openTestApp(
    { DATABASE_URL: `postgresql://postgres@${hosts}/postgres?target_session_attrs=read-write` },
    useTestDatabase(`postgresql://postgres@127.0.0.1:${postgres.port}/postgres`),
  );
  try {
    const ids = [await app.createGroup(), await app.createGroup()];
    expect((await app.post('/deleteGroup', { id: ids[0] })).status).toBe(200);

    await first.stop();
    await waitUntil(async () => (await app.post('/group', { id: ids[1] })).status === 200);
    // They last longer than the second between two probes of the watchdog, whose connection led to the first host.
    for (let call = 0; call < 400; call++) {
      expect((await app.post('/deleteGroup', { id: await app.createGroup() })).status).toBe(200);
    }
    expect((await app.post('/deleteGroup', { id: ids[1] })).status).toBe(200);
    const created = await app.createGroup();

    await second.stop();
    const rejected = await app.post('/deleteGroup', { id: created });
    expect([rejected.status, rejected.body.errors[0].extensions.code]).toStrictEqual([
      503,
      'SERVICE_UNAVAILABLE',
    ]);
    expect(await app.sql('SELECT id FROM groups')).toStrictEqual([{ id: created }]);

    await first.start();
    await waitUntil(async () => (await app.post('/deleteGroup', { id: created })).status === 200);
    expect(await app.sql('SELECT id FROM groups')).toStrictEqual([]);
  } finally {
    await app.close();
  }
});
