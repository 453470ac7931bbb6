import { readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openEmbeddedPostgres, type EmbeddedPostgres } from '../../src/embedded-postgres/cluster.ts';
import { chooseSeed, createRandom } from '../support/random.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { plainGroup, testKey, type Json } from '../support/test-app.ts';
import { urlOf, useTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { createTestFolder } from '../support/test-folder.ts';

const serverKills = 10;
const databaseKills = 5;
const clients = 16;

let dataDir: string;
let postgres: EmbeddedPostgres;
let database: TestDatabase;
let server: ServerProcess;
let port: number;
/** Internal errors that the servers logged, for a failed test. */
const faults: string[] = [];

beforeAll(async () => {
  dataDir = await createTestFolder();
  postgres = await openEmbeddedPostgres(dataDir);
  port = await findFreePort();
  await startAgain();
  database = useTestDatabase(urlOf(postgres.connection));
});
afterAll(async () => {
  server.kill('SIGTERM');
  await server.exited;
  await database.drop();
  await postgres.close();
  await rm(dataDir, { recursive: true, force: true });
});

async function startAgain(): Promise<void> {
  server = startServer({
    DATABASE_URL: urlOf(postgres.connection),
    PORT: String(port),
    ADMIN_API_KEY: testKey,
    LOG_LEVEL: 'error',
  });
  void server.exited.then(({ stderr }) =>
    faults.push(...stderr.split('\n').filter((line) => line.includes('unexpected error'))),
  );
  await server.ready;
}

/** PostgreSQL's "immediate shutdown": it exits without a checkpoint, as in a crash, and recovers at its next start. */
async function killPostgres(): Promise<void> {
  const [pid] = (await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n');
  process.kill(Number(pid), 'SIGQUIT');
  await sleep(300);
  postgres = await openEmbeddedPostgres(dataDir);
}

async function findFreePort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const freePort = (listener.address() as AddressInfo).port;
  await new Promise((resolve) => listener.close(resolve));
  return freePort;
}

/** Repeats a call until its response is not "try again", as a careful client does. */
async function callUntilAnswered(operation: string, args: object, key: string) {
  for (;;) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/${operation}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-APIKEY': testKey, 'Idempotency-Key': key },
        body: JSON.stringify(args),
        signal: AbortSignal.timeout(5000),
      });
      const body = (await response.json()) as Json;
      if (response.status !== 503) return { status: response.status, body };
    } catch {
      // The server is unavailable, or the response was lost.
    }
    await sleep(50);
  }
}

test(`with the server killed ${serverKills} times and PostgreSQL ${databaseKills} times under load, each acknowledged call is executed exactly once`, async () => {
  const random = createRandom(chooseSeed('crash'));
  const over = new AbortController();
  const created: number[] = [];
  const acknowledged = new Map<string, number>();
  const unexpected: unknown[] = [];

  const work = async (client: number) => {
    for (let round = 0; !over.signal.aborted; round++) {
      const key = `${client}-${round}`;
      const made = await callUntilAnswered('createGroup', { group: plainGroup }, key);
      const id = made.body.data?.createGroup?.id;
      if (made.status !== 200) unexpected.push(made);
      created.push(id);
      const first = await callUntilAnswered('deleteGroup', { id }, key);
      // Repeated as if the response had been lost: the response is the same.
      const again = await callUntilAnswered('deleteGroup', { id }, key);
      if (first.status !== 200 || again.status !== 200) unexpected.push({ id, first, again });
      else {
        expect(again.body).toStrictEqual(first.body);
        acknowledged.set(key, first.body.data.deleteGroup.id);
        expect(first.body.data.deleteGroup.id).toBe(id);
      }
    }
  };
  const working = Promise.all(Array.from({ length: clients }, (_, client) => work(client)));

  const kills = [
    ...Array<string>(serverKills).fill('server'),
    ...Array<string>(databaseKills).fill('database'),
  ];
  while (kills.length > 0) {
    await sleep(400 + random.below(800));
    const [victim] = kills.splice(random.below(kills.length), 1);
    if (victim === 'server') {
      server.kill('SIGKILL');
      await server.exited;
      await startAgain();
    } else await killPostgres();
  }
  await sleep(500);
  over.abort();
  await working;

  process.stderr.write(
    `crash: ${created.length} groups created, ${acknowledged.size} deletes acknowledged\n`,
  );
  expect({ unexpected, faults }).toStrictEqual({ unexpected: [], faults: [] });
  expect(acknowledged.size).toBeGreaterThan(clients);

  const ids = [...acknowledged.values()];
  expect(new Set(ids).size).toBe(ids.length);
  expect(await database.sql('SELECT id FROM groups WHERE id = ANY ($1)', [ids])).toStrictEqual([]);

  // No key created two rows, and every deleted group has an archive row and one audit event.
  const gone = await database.sql<{ id: number; archived: number; done: number }>(
    `SELECT id, (SELECT count(*)::int FROM deleted_groups d WHERE d.id = ids.id) AS archived,
         (SELECT count(*)::int FROM audit_events WHERE target_ids @> ARRAY[ids.id::text] AND operation = 'deleteGroup' AND outcome = 'done') AS done
       FROM unnest($1::int[]) AS ids (id) WHERE id NOT IN (SELECT id FROM groups)`,
    [created],
  );
  expect(gone).toHaveLength(created.length);
  for (const { id, archived, done } of gone) expect([id, archived, done]).toStrictEqual([id, 1, 1]);
  expect(await database.sql('SELECT id FROM groups')).toStrictEqual([]);
  const [{ made }] = (await database.sql<{ made: number }>(
    `SELECT count(*)::int AS made FROM audit_events WHERE operation = 'createGroup' AND outcome = 'done'`,
  )) as [{ made: number }];
  expect(made).toBe(created.length);
}, 180_000);
