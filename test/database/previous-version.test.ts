import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { migrate } from '../../src/database/migrations.ts';
import { createOlderDatabase } from '../support/older-database.ts';
import { buildPreviousVersion } from '../support/previous-version.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { openTestApp, plainGroup, testKey, type Json } from '../support/test-app.ts';
import { useTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { waitUntil } from '../support/wait-until.ts';

let previous: Awaited<ReturnType<typeof buildPreviousVersion>>;
let database: TestDatabase;
let server: ServerProcess;
beforeAll(async () => {
  previous = await buildPreviousVersion();
  database = await createOlderDatabase('0008_moved_subscribers');
  server = startServer(
    { DATABASE_URL: database.url, ADMIN_API_KEY: testKey, LOG_LEVEL: 'warn' },
    [],
    [previous.main],
  );
});
afterAll(async () => {
  server.kill('SIGTERM');
  await server.exited;
  await database.drop();
  await previous.remove();
});

test('the previous version serves every call while this version migrates the database, and afterwards', async () => {
  const { url } = await server.ready;
  const failed: string[] = [];
  const call = async (path: string, body: object): Promise<Json> => {
    const response = await fetch(url + path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-APIKEY': testKey },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (response.status !== 200) failed.push(`${path}: ${response.status} ${text}`);
    return JSON.parse(text).data?.[path.slice(1)];
  };

  const deletedIds: number[] = [];
  let rounds = 0;
  const stopping = new AbortController();
  const work = async (worker: number) => {
    while (!stopping.signal.aborted) {
      const { id } = await call('/createGroup', { group: plainGroup });
      const { id: target } = await call('/createGroup', { group: plainGroup });
      const username = `worker-${worker}`;
      await call('/subscribe', { username, groupId: id });
      await call('/deleteGroup', { id, moveSubscribersTo: target });
      await call('/removeUserSubscription', { username, groupId: target });
      await call('/deleteGroup', { id: target });
      await call('/restoreGroup', { id: target });
      await call('/deleteGroup', { id: target });
      await call('/auditEvents', { filter: { targetId: String(target) } });
      deletedIds.push(id, target);
      rounds++;
    }
  };
  const workers = [1, 2, 3, 4].map(work);
  const moreRounds = (count: number) => {
    const until = rounds + count;
    return waitUntil(async () => rounds >= until, { timeoutMs: 60_000 });
  };

  await moreRounds(8);
  const pool = new pg.Pool({ connectionString: database.url, max: 4 });
  const applied = await migrate(pool);
  await pool.end();
  await moreRounds(20);
  stopping.abort();
  await Promise.all(workers);

  expect(applied.length).toBeGreaterThan(0);
  expect(failed).toStrictEqual([]);
  expect(server.stderr()).toBe('');
  expect(await database.sql('SELECT id FROM groups')).toStrictEqual([]);
  const archived = await database.sql<{ id: number }>('SELECT id FROM deleted_groups ORDER BY id');
  expect(archived.map(({ id }) => id)).toStrictEqual(deletedIds.toSorted((a, b) => a - b));
  // Each event once, with growing ids, from before and after the migration.
  const [events] = await database.sql<{ deletes: number; ids: number; all: number }>(
    `SELECT count(*) FILTER (WHERE operation = 'deleteGroup' AND outcome = 'done')::int AS deletes,
         count(DISTINCT id)::int AS ids, count(*)::int AS all FROM audit_events`,
  );
  expect(events).toStrictEqual({
    deletes: rounds * 3,
    ids: rounds * 8,
    all: rounds * 8,
  });

  const app = await openTestApp(
    { DATABASE_URL: database.url },
    { ...useTestDatabase(database.url), url: database.url },
  );
  try {
    const [id] = deletedIds;
    expect((await app.post('/restoreGroup', { id })).status).toBe(200);
    const { body } = await app.post('/auditEvents', { filter: { targetId: String(id) } });
    expect(body.data.auditEvents.nodes.map(({ operation }: Json) => operation)).toStrictEqual([
      'restoreGroup',
      'deleteGroup',
      'subscribe',
      'createGroup',
    ]);
  } finally {
    await app.close();
  }
});
