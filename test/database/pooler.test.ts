import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { hasPgBouncer, startPgBouncer } from '../support/pgbouncer.ts';
import { lineOf, runEverywhere } from '../support/run-everywhere.ts';
import { startServer } from '../support/server-process.ts';
import { startTcpPostgres, type TcpPostgres } from '../support/tcp-postgres.ts';
import { testKey } from '../support/test-app.ts';
import { useTestDatabase } from '../support/test-database.ts';

if (!hasPgBouncer) {
  process.stderr.write(
    'The poolers are not tried, since PgBouncer is not installed: those tests are skipped\n',
  );
}
const describeWithPgBouncer = hasPgBouncer ? describe : describe.skip;

let postgres: TcpPostgres;
let url = '';
const { run } = createCommandLine(() => ({ url }));
const urlOfPort = (port: number) => `postgresql://postgres@127.0.0.1:${port}/postgres`;
beforeAll(async () => {
  postgres = await startTcpPostgres();
});
afterAll(() => postgres.close());

/** Creates and deletes a group with a server on `url`, and returns the two statuses. */
async function createAndDelete(): Promise<number[]> {
  const server = startServer({ DATABASE_URL: url, ADMIN_API_KEY: testKey, LOG_LEVEL: 'error' });
  try {
    const { url: base } = await server.ready;
    const post = (path: string, body: object) =>
      fetch(base + path, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-APIKEY': testKey },
        body: JSON.stringify(body),
      });
    const group = { name: 'n', tagName: 't', duration: 1, price: '1' };
    const created = await post('/createGroup', { group });
    const { data } = (await created.json()) as { data: { createGroup: { id: number } } };
    const deleted = await post('/deleteGroup', { id: data.createGroup.id });
    return [created.status, deleted.status];
  } finally {
    server.kill('SIGTERM');
    await server.exited;
  }
}

describeWithPgBouncer('PgBouncer', () => {
  // lock_timeout is a startup parameter: PgBouncer must ignore it, otherwise it rejects the connection.
  const ignoring = {};

  test.each([
    ['transaction', { pool_mode: 'transaction', ...ignoring }],
    ['transaction, with one session', { pool_mode: 'transaction', default_pool_size: 1, ...ignoring }],
    ['transaction, with sessions by turns', { pool_mode: 'transaction', server_round_robin: 1, ...ignoring }],
    ['statement', { pool_mode: 'statement', ...ignoring }],
  ])(
    'PgBouncer in the mode %s is rejected by each program, and nothing is written',
    async (_, settings) => {
      const pooler = await startPgBouncer(postgres.port, settings);
      // Open sessions, as in a pooler that has been running for a while.
      const warm = useTestDatabase(urlOfPort(pooler.port));
      await Promise.all([1, 2, 3].map(() => warm.sql('SELECT pg_sleep(0.05)')));
      const before = await warm.sql('SELECT count(*) FROM pg_class');
      const { serve, migrate, doctor } = await runEverywhere(urlOfPort(pooler.port));
      expect(await warm.sql('SELECT count(*) FROM pg_class')).toStrictEqual(before);
      await warm.drop();
      await pooler.close();
      expect([serve.code, migrate.code, doctor.code]).toStrictEqual([1, 1, 1]);
      expect(doctor.wrong).toHaveLength(1);
      for (const line of [lineOf(serve), migrate.message, ...doctor.wrong]) {
        expect(line).toMatch(
          /^PostgreSQL at [^\n]+ is a pooler .* such as PgBouncer .* Set pool_mode = session for this database, or connect to PostgreSQL directly$/,
        );
      }
    },
    60_000,
  );

  test('PgBouncer in transaction mode is rejected while other clients use all of its sessions', async () => {
    const pooler = await startPgBouncer(postgres.port, {
      pool_mode: 'transaction',
      default_pool_size: 4,
      ...ignoring,
    });
    url = urlOfPort(pooler.port);
    const others = useTestDatabase(url);
    const load = { isDone: false };
    const running = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (!load.isDone) await others.sql('SELECT pg_sleep(random() * 0.005)');
      }),
    );
    for (let attempt = 0; attempt < 5; attempt++) {
      const { stderr } = await run('groups', 'list');
      expect(stderr).toContain('is a pooler that assigns sessions per transaction or statement');
    }
    load.isDone = true;
    await running;
    await others.drop();
    await pooler.close();
  });

  test.each([
    ['20 sessions', {}],
    // The server and its connection watchdog need one session each.
    ['two sessions', { default_pool_size: 2 }],
  ])(
    'PgBouncer in session mode with %s is accepted, and deletes work',
    async (_, settings) => {
      const pooler = await startPgBouncer(postgres.port, { pool_mode: 'session', ...ignoring, ...settings });
      url = urlOfPort(pooler.port);
      const migrated = await run('migrate');
      const examined = await run('doctor');
      const statuses = 'default_pool_size' in settings ? [200, 200] : await createAndDelete();
      await pooler.close();
      expect([migrated.stderr, migrated.code]).toStrictEqual(['', 0]);
      expect([examined.stderr, examined.code]).toStrictEqual(['', 0]);
      expect(statuses).toStrictEqual([200, 200]);
    },
    60_000,
  );

  test('PgBouncer in session mode with a single session is not rejected', async () => {
    const pooler = await startPgBouncer(postgres.port, {
      pool_mode: 'session',
      default_pool_size: 1,
      ...ignoring,
    });
    url = urlOfPort(pooler.port);
    const { code, stdout } = await run('doctor');
    await pooler.close();
    expect([stdout, code]).toStrictEqual([expect.stringMatching(/^ok +database +Connected to/m), 0]);
  });

  test('each program names the startup parameter that PgBouncer rejects', async () => {
    const pooler = await startPgBouncer(postgres.port, { pool_mode: 'session', ...ignoring });
    const { serve, migrate, doctor } = await runEverywhere(
      `${urlOfPort(pooler.port)}?idle_in_transaction_session_timeout=5000`,
    );
    await pooler.close();
    for (const line of [lineOf(serve), migrate.message, ...doctor.wrong]) {
      expect(line).toMatch(
        /: PgBouncer rejects the start-up parameter idle_in_transaction_session_timeout\. Remove idle_in_transaction_session_timeout from DATABASE_URL/,
      );
    }
    expect(doctor.wrong).toHaveLength(1);
  });

  test('each program names the database that PgBouncer does not have', async () => {
    const pooler = await startPgBouncer(postgres.port, { pool_mode: 'session', ...ignoring });
    const { everything, doctor } = await runEverywhere(urlOfPort(pooler.port).replace(/postgres$/, 'none'));
    await pooler.close();
    expect(everything).not.toMatch(/^\s+at /m);
    expect(doctor.wrong).toStrictEqual([
      expect.stringMatching(/^Cannot connect to PostgreSQL at .*none.*\. /),
    ]);
  });
});

test('a direct connection is accepted for a user with a connection limit of 1', async () => {
  await postgres.sql(`CREATE ROLE guest LOGIN PASSWORD 'guest' CONNECTION LIMIT 1`);
  url = `postgresql://guest:guest@127.0.0.1:${postgres.port}/postgres`;
  const { stdout } = await run('doctor');
  expect(stdout).toMatch(/^ok +database +Connected to/m);
});
