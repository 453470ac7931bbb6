import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { testKey } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';

// PostgreSQL ends sessions, as at a fast shutdown or a failover, while a server in its own process is under load.
let database: TestDatabase;
let server: ServerProcess;
let url: string;
beforeAll(async () => {
  database = await createTestDatabase();
  server = startServer({ DATABASE_URL: database.url, ADMIN_API_KEY: testKey, LOG_LEVEL: 'warn' });
  ({ url } = await server.ready);
});
afterAll(async () => {
  server.kill('SIGTERM');
  await server.exited;
  await database.drop();
});

const deleteGroup = async (id: number) => {
  const response = await fetch(`${url}/deleteGroup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-APIKEY': testKey },
    body: JSON.stringify({ id }),
  });
  await response.text();
  return response.status;
};

test('a server survives sessions that PostgreSQL ends, and answers each delete by what became of it', async () => {
  const created = await database.sql<{ id: number }>(
    `INSERT INTO groups (name, tag_name, duration, price) SELECT 'x', 'x', 1, 1 FROM generate_series(1, 600) RETURNING id`,
  );
  const ids = created.map(({ id }) => id);
  const statuses = new Map<number, number>();
  const over = new AbortController();
  const worker = async () => {
    for (let id = ids.pop(); id !== undefined && !over.signal.aborted; id = ids.pop())
      statuses.set(id, await deleteGroup(id));
  };
  const cut = async () => {
    for (let count = 0; count < 40; count++) {
      await database.sql(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'group-api:%'`,
      );
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    over.abort();
  };
  await Promise.all([cut(), ...Array.from({ length: 24 }, worker)]);

  expect(await (await fetch(`${url}/livez`)).json()).toStrictEqual({ status: 'live' });
  const left = new Set((await database.sql<{ id: number }>('SELECT id FROM groups')).map(({ id }) => id));
  for (const [id, status] of statuses) expect([id, status]).toStrictEqual([id, left.has(id) ? 503 : 200]);
  expect(server.stderr()).not.toMatch(/unexpected error|[Uu]nhandled/);
}, 60_000);
