import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openEmbeddedPostgres, type EmbeddedPostgres } from '../../src/embedded-postgres/cluster.ts';
import { createCommandLine } from '../support/command-line.ts';
import { chooseSeed, createRandom } from '../support/random.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { plainGroup, testKey, type Json } from '../support/test-app.ts';
import { urlOf, useTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { createTestFolder } from '../support/test-folder.ts';
import { waitUntil } from '../support/wait-until.ts';
import { findFreePort } from '../support/tcp-postgres.ts';

// `WEBHOOK_KILL_DELETES=10000 WEBHOOK_KILLS=5` is the long form.
const deleteCount = Number(process.env['WEBHOOK_KILL_DELETES'] ?? 300);
const killCount = Number(process.env['WEBHOOK_KILLS'] ?? 1);
const clients = 8;
const settings = { WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' };
const receiverFile = fileURLToPath(new URL('../support/recording-receiver.js', import.meta.url));

let dataDir: string;
let postgres: EmbeddedPostgres;
let database: TestDatabase;
let receiver: ChildProcess;
let receiverPort: number;
const servers: { server: ServerProcess; port: number }[] = [];

beforeAll(async () => {
  dataDir = await createTestFolder();
  postgres = await openEmbeddedPostgres(dataDir);
  database = useTestDatabase(urlOf(postgres.connection));
  receiverPort = await findFreePort();
  receiver = await startReceiver();
  for (let index = 0; index < 2; index++) {
    const port = await findFreePort();
    servers.push({ server: await startOn(port), port });
  }
}, 300_000);
afterAll(async () => {
  for (const { server } of servers) server.kill('SIGKILL');
  await Promise.all(servers.map(({ server }) => server.exited));
  await stopReceiver();
  await database.drop();
  await postgres.close();
}, 120_000);

/** A machine that the kills keep busy exceeds the default of 3 seconds. */
function databaseUrl(): string {
  return `${urlOf(postgres.connection)}&connect_timeout=60`;
}

async function startOn(port: number): Promise<ServerProcess> {
  const server = startServer({
    DATABASE_URL: databaseUrl(),
    PORT: String(port),
    ADMIN_API_KEY: testKey,
    LOG_LEVEL: 'error',
    SAMPLE_DATA: 'false',
    MAX_EVENT_LOOP_DELAY_MS: '60000',
    ...settings,
  });
  await server.ready;
  return server;
}

async function startReceiver(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [receiverFile, String(receiverPort), join(dataDir, 'received.txt')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

async function stopReceiver(): Promise<void> {
  const closed = once(receiver, 'close');
  receiver.kill('SIGKILL');
  await closed;
}

/** PostgreSQL's "immediate shutdown", as in a crash. */
async function killPostgres(): Promise<void> {
  const [pid] = (await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n');
  process.kill(Number(pid), 'SIGQUIT');
  await waitUntil(() => {
    try {
      return !process.kill(Number(pid), 0);
    } catch {
      return true;
    }
  });
  postgres = await openEmbeddedPostgres(dataDir);
}

const kill = {
  async server(index: number) {
    const entry = servers[index % servers.length]!;
    entry.server.kill('SIGKILL');
    await entry.server.exited;
    entry.server = await startOn(entry.port);
  },
  async receiver() {
    await stopReceiver();
    receiver = await startReceiver();
  },
  database: killPostgres,
};

/** Repeats a call at the next server until its response is not "try again", as a careful client does. */
async function call(operation: string, args: object, key: string): Promise<Json> {
  for (let attempt = 0; ; attempt++) {
    try {
      const { port } = servers[attempt % servers.length]!;
      const response = await fetch(`http://127.0.0.1:${port}/${operation}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-APIKEY': testKey, 'Idempotency-Key': key },
        body: JSON.stringify(args),
        signal: AbortSignal.timeout(30_000),
      });
      const body = (await response.json()) as Json;
      if (response.status === 200) return body.data[operation];
      if (response.status !== 503 && response.status !== 409) throw new TypeError(JSON.stringify(body));
    } catch (error) {
      if (error instanceof TypeError && error.message.startsWith('{')) throw error;
      // The server is unavailable, or the response was lost.
    }
    await sleep(50);
  }
}

/** The events that the receiver has accepted, in the order of their first arrival: type, group and id. */
async function readReceived(): Promise<{ id: string; type: string; groupId: number }[]> {
  const lines = (await readFile(join(dataDir, 'received.txt'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '');
  const events = lines.map((line) => JSON.parse(line) as { id: string; type: string; groupId: number });
  const ids = new Set<string>();
  return events.filter(({ id }) => ids.size < ids.add(id).size);
}

test(`${deleteCount} groups are created and deleted over two servers, while servers, receiver and PostgreSQL are killed ${killCount} times each: the receiver gets each event at least once, those of a group in order, and no other one`, async () => {
  const random = createRandom(chooseSeed('webhook-kill'));
  const { run, environment } = createCommandLine(() => ({ url: databaseUrl() }));
  Object.assign(environment, settings);
  // A busy machine may exceed the time limits of the command, and then its outcome may be unknown.
  await waitUntil(async () => {
    if ((await database.sql('SELECT FROM webhook_endpoints')).length > 0) return true;
    await run('webhooks', 'create', `http://127.0.0.1:${receiverPort}/`);
    return false;
  });

  let next = 0;
  let deleted = 0;
  const work = async () => {
    while (next < deleteCount) {
      const key = `key ${next++}`;
      const { id } = await call('createGroup', { group: plainGroup }, key);
      await call('deleteGroup', { id }, key);
      deleted++;
    }
  };
  const working = Promise.all(Array.from({ length: clients }, work));
  const names = ['server', 'receiver', 'database'] as const;
  const kills = names.flatMap((name) => Array<(typeof names)[number]>(killCount).fill(name));
  const total = kills.length;
  for (let count = 1; kills.length > 0; count++) {
    await waitUntil(() => deleted >= (deleteCount * count) / (total + 1) || deleted === deleteCount, {
      timeoutMs: 600_000,
    });
    const [name] = kills.splice(random.below(kills.length), 1);
    await kill[name!](count);
  }
  await working;

  // A killed server's deliveries wait for the end of their lease; failed ones for their next attempt.
  const unfinished = () => database.sql(`SELECT FROM webhook_deliveries WHERE status = 'pending' LIMIT 1`);
  const count = async (sql: string) => (await database.sql<{ count: number }>(sql))[0]!.count;
  const done = await count(
    `SELECT count(*)::int FROM audit_events WHERE outcome = 'done' AND operation LIKE '%Group'`,
  );
  await waitUntil(
    async () => {
      await database
        .sql(
          `UPDATE webhook_deliveries SET next_attempt_at = now() WHERE status = 'pending' AND NOT is_claimed AND next_attempt_at > now() + interval '10 s'`,
        )
        .catch(() => undefined);
      const deliveries = await count('SELECT count(*)::int FROM webhook_deliveries');
      return deliveries >= done && (await unfinished()).length === 0;
    },
    { timeoutMs: 600_000 },
  );

  const received = await readReceived();
  expect(done).toBe(2 * deleteCount);
  expect(received).toHaveLength(done);
  const typesByGroup = new Map<number, string[]>();
  for (const { groupId, type } of received)
    typesByGroup.set(groupId, [...(typesByGroup.get(groupId) ?? []), type]);
  expect(typesByGroup.size).toBe(deleteCount);
  for (const types of typesByGroup.values()) expect(types).toStrictEqual(['group.created', 'group.deleted']);
  expect(await count(`SELECT count(*)::int FROM webhook_deliveries WHERE status <> 'delivered'`)).toBe(0);
}, 1_800_000);
