import { createPool } from '../../src/postgres/connection.ts';
import { createCommandLine } from '../support/command-line.ts';
import { hasPgBouncer, startPgBouncer } from '../support/pgbouncer.js';
import { copyProgram } from '../support/program-copy.ts';
import { lineOf, runEverywhere } from '../support/run-everywhere.ts';
import { startServer } from '../support/server-process.ts';
import { startTcpPostgres, type TcpPostgres } from '../support/tcp-postgres.ts';
import { openTestApp, testKey } from '../support/test-app.ts';
import { useTestDatabase } from '../support/test-database.ts';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';

if (!hasPgBouncer) {
  process.stderr.write(
    'The poolers are not tried, since PgBouncer is not installed: those tests are skipped\n',
  );
}
const describeWithPgBouncer = hasPgBouncer ? describe : describe.skip;

let postgres: TcpPostgres;
let url = '';
const { run, environment } = createCommandLine(() => ({ url }));
const urlOfPort = (port: number) => `postgresql://postgres@127.0.0.1:${port}/postgres`;
beforeAll(async () => {
  postgres = await startTcpPostgres();
});
afterAll(() => postgres.close());

/** The running poolers of the test, so that none outlives a test that fails. */
const poolers: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(poolers.splice(0).map((pooler) => pooler.close()));
});

/** Starts a PgBouncer and returns the URL of the database `postgres` through it. */
async function startPooler(settings: Readonly<Record<string, string | number>>): Promise<string> {
  const pooler = await startPgBouncer({ host: '127.0.0.1', port: postgres.port }, settings);
  poolers.push(pooler);
  return urlOfPort(pooler.port);
}

/** Creates and deletes a group with a server on `url`, and returns the two statuses. */
async function createAndDelete(): Promise<number[]> {
  const server = startServer({
    DATABASE_URL: url,
    ADMIN_API_KEY: testKey,
    LOG_LEVEL: 'error',
    // The load of the machine is not what is tested.
    MAX_EVENT_LOOP_DELAY_MS: '60000',
  });
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
    const text = await created.text();
    if (created.status !== 200) throw new Error(`${text}\n${server.stderr()}`);
    const { data } = JSON.parse(text) as { data: { createGroup: { id: number } } };
    const deleted = await post('/deleteGroup', { id: data.createGroup.id });
    return [created.status, deleted.status];
  } finally {
    server.kill('SIGTERM');
    await server.exited;
  }
}

describeWithPgBouncer('PgBouncer', () => {
  test.each([
    ['20 sessions', {}],
    ['two sessions', { default_pool_size: 2 }],
    ['sessions by turns', { server_round_robin: 1 }],
  ])(
    'PgBouncer in transaction mode with %s, otherwise with its default configuration, works for the server, migrate and doctor',
    async (_, settings) => {
      url = await startPooler({ pool_mode: 'transaction', ...settings });
      const migrated = await run('migrate');
      const examined = await run('doctor');
      const statuses = await createAndDelete();
      expect([migrated.stderr, migrated.code]).toStrictEqual(['', 0]);
      expect([examined.stderr, examined.code]).toStrictEqual(['', 0]);
      expect(statuses).toStrictEqual([200, 200]);
    },
    60_000,
  );

  test('settings of a server and of commands are not left in the sessions of a pooler, for its other clients', async () => {
    url = await startPooler({ pool_mode: 'transaction', default_pool_size: 1 });
    const other = new pg.Client(url);
    await other.connect();
    const read = async () => {
      const { rows } = await other.query(
        `SELECT name, setting, pg_backend_pid() AS pid FROM pg_settings WHERE name IN ('TimeZone', 'DateStyle', 'lock_timeout',
           'statement_timeout', 'search_path', 'extra_float_digits', 'default_transaction_isolation',
           'default_transaction_read_only', 'transaction_read_only', 'enable_seqscan', 'jit') ORDER BY name`,
      );
      return rows;
    };
    const before = await read();
    expect(await createAndDelete()).toStrictEqual([200, 200]);
    await run('doctor');
    await run('audit', 'list');
    await run('groups', 'export');
    const after = await read();
    await other.end();
    expect(after).toStrictEqual(before);
  });

  test('in transaction mode the settings of the database and the schema are as on a direct connection', async () => {
    await postgres.sql('CREATE DATABASE tehran');
    await postgres.sql('CREATE SCHEMA plans; CREATE EXTENSION pg_trgm SCHEMA plans', 'tehran');
    for (const setting of [
      "timezone = 'Asia/Tehran'",
      "datestyle = 'German, DMY'",
      "default_transaction_isolation = 'serializable'",
      'extra_float_digits = -15',
      "search_path = 'nothing'",
    ])
      await postgres.sql(`ALTER DATABASE tehran SET ${setting}`);
    const pooled = (await startPooler({ pool_mode: 'transaction' })).replace(
      /postgres$/,
      'tehran?schema=plans',
    );
    const app = await openTestApp({}, useTestDatabase(pooled));
    try {
      const before = Date.now();
      const ids = await Promise.all(Array.from({ length: 20 }, () => app.createGroup()));
      const { body } = await app.post('/group', { id: ids[0] });
      const createdAt = Date.parse(body.data.group.createdAt);
      expect(createdAt).toBeGreaterThan(before - 10_000);
      expect(createdAt).toBeLessThan(Date.now() + 10_000);
      // In a SERIALIZABLE transaction some of these would fail.
      const deleted = await Promise.all([...ids, ...ids].map((id) => app.post('/deleteGroup', { id })));
      const statuses = deleted.map(({ status }) => status).toSorted((a, b) => a - b);
      expect(statuses).toStrictEqual([...Array(20).fill(200), ...Array(20).fill(404)]);
      const sessions = await app.sql(
        `SELECT current_setting('TimeZone') AS zone, current_setting('transaction_isolation') AS level`,
      );
      expect(sessions).toStrictEqual([{ zone: 'UTC', level: 'read committed' }]);
    } finally {
      await app.close();
    }
  });

  test('in transaction mode a locked row makes a delete return 503 after lock_timeout, and nothing is deleted', async () => {
    const app = await openTestApp({}, useTestDatabase(await startPooler({ pool_mode: 'transaction' })));
    const holder = new pg.Client(urlOfPort(postgres.port));
    await holder.connect();
    try {
      const [plain, moved, target] = [
        await app.createGroup(),
        await app.createGroup(),
        await app.createGroup(),
      ];
      await holder.query('BEGIN');
      await holder.query('SELECT FROM groups WHERE id = ANY ($1) FOR UPDATE', [[plain, moved]]);
      const answers = await Promise.all([
        app.post('/deleteGroup', { id: plain }),
        app.post('/deleteGroup', { id: moved, moveSubscribersTo: target }),
      ]);
      expect(answers.map(({ status }) => status)).toStrictEqual([503, 503]);
      await holder.query('ROLLBACK');
      expect(await app.sql('SELECT FROM groups WHERE id = ANY ($1)', [[plain, moved]])).toHaveLength(2);
      expect((await app.post('/deleteGroup', { id: plain })).status).toBe(200);
    } finally {
      await holder.end();
      await app.close();
    }
  });

  test('a statement that fails in transaction mode leaves no transaction open, and does not affect the next one', async () => {
    const database = useTestDatabase(await startPooler({ pool_mode: 'transaction', default_pool_size: 1 }));
    await expect(database.sql('SELECT 1 / 0')).rejects.toThrow('division by zero');
    await expect(database.sql('SELECT $1::int', ['x'])).rejects.toThrow('invalid input syntax');
    expect(await database.sql('SELECT $1::int AS one', [1])).toStrictEqual([{ one: 1 }]);
    await database.drop();
  });

  test('a transaction in transaction mode has the isolation level and the settings that its statements choose', async () => {
    const pool = createPool(
      { connectionString: await startPooler({ pool_mode: 'transaction' }), max: 1 },
      { lock_timeout: '3000', search_path: 'plans' },
    );
    const client = await pool.connect();
    try {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL lock_timeout = 0');
      const { rows } = await client.query(
        `SELECT current_setting('transaction_isolation') AS isolation, current_setting('lock_timeout') AS lock_timeout,
           current_setting('search_path') AS search_path, current_setting('TimeZone') AS zone`,
      );
      expect(rows).toStrictEqual([
        { isolation: 'repeatable read', lock_timeout: '0', search_path: 'plans', zone: 'UTC' },
      ]);
      await client.query('ROLLBACK');
      await client.query('BEGIN');
      expect((await client.query('SHOW transaction_isolation')).rows).toStrictEqual([
        { transaction_isolation: 'read committed' },
      ]);
      await client.query('ROLLBACK');
    } finally {
      client.release();
      await pool.end();
    }
  });

  test('a migration that runs outside a transaction works in transaction mode, in the schema of the URL, and leaves no setting', async () => {
    await postgres.sql('CREATE DATABASE standalone');
    await postgres.sql('CREATE SCHEMA plans; CREATE EXTENSION pg_trgm SCHEMA plans', 'standalone');
    url = (
      await startPooler({ pool_mode: 'transaction', default_pool_size: 3, server_round_robin: 1 })
    ).replace(/postgres$/, 'standalone');
    const other = useTestDatabase(url);
    // Open sessions, as in a pooler that has been running for a while.
    await Promise.all([1, 2, 3].map(() => other.sql('SELECT pg_sleep(0.2)')));
    const program = await copyProgram();
    try {
      for (const column of ['ip', 'tag_name']) {
        await program.addMigration(
          `9000_${column}`,
          `-- Runs outside a transaction.\nCREATE INDEX CONCURRENTLY "standalone_${column}" ON "groups"("${column}");\n`,
        );
      }
      const { ended } = program.start(`${url}?schema=plans`, 'migrate');
      expect(await ended).toMatchObject({ code: 0 });
    } finally {
      await program.remove();
    }
    const indexes = await other.sql(
      `SELECT nspname AS schema, indisvalid AS valid FROM pg_index JOIN pg_class c ON c.oid = indexrelid
       JOIN pg_namespace n ON n.oid = relnamespace WHERE relname LIKE 'standalone%'`,
    );
    const valid = { schema: 'plans', valid: true };
    expect(indexes).toStrictEqual([valid, valid]);
    await other.drop();
    const client = new pg.Client(url);
    await client.connect();
    for (let session = 0; session < 6; session++) {
      const { rows } = await client.query(
        `SELECT current_setting('search_path') AS path, current_setting('lock_timeout') AS lock,
           current_setting('client_connection_check_interval') AS interval, pg_sleep(0.05)::text AS slept`,
      );
      expect(rows).toStrictEqual([{ path: '"$user", public', lock: '0', interval: '0', slept: '' }]);
    }
    await client.end();
  });

  test('doctor recognizes a pooler, and says which DATABASE_PREPARED_STATEMENTS suits it', async () => {
    url = await startPooler({ pool_mode: 'transaction' });
    await run('migrate');
    const pooled = await run('doctor');
    expect(pooled.stdout).toMatch(
      /^warning +pooler +A pooler is between .* does not keep prepared statements, .* Set DATABASE_PREPARED_STATEMENTS=false, or upgrade to PgBouncer 1\.21/m,
    );
    environment['DATABASE_PREPARED_STATEMENTS'] = 'false';
    const configured = await run('doctor');
    delete environment['DATABASE_PREPARED_STATEMENTS'];
    expect(configured.stdout).toMatch(
      /^ok +pooler +A pooler is between .* no statement is prepared by name$/m,
    );
    url = urlOfPort(postgres.port);
    expect((await run('doctor')).stdout).not.toContain('pooler');
  });

  test('each program names the pool mode of PgBouncer that does not work', async () => {
    url = await startPooler({ pool_mode: 'statement' });
    const { serve, migrate, doctor } = await runEverywhere(url);
    expect([serve.code, migrate.code, doctor.code]).toStrictEqual([1, 1, 1]);
    for (const line of [lineOf(serve), migrate.message, ...doctor.wrong]) {
      expect(line).toMatch(
        /: PgBouncer assigns a session per statement\. Set pool_mode = transaction or session for this database$/,
      );
    }
  });

  test.each([
    ['20 sessions', {}],
    // The server and its connection watchdog need one session each.
    ['two sessions', { default_pool_size: 2 }],
  ])(
    'PgBouncer in session mode with %s is accepted, and deletes work',
    async (_, settings) => {
      url = await startPooler({ pool_mode: 'session', ...settings });
      const migrated = await run('migrate');
      const examined = await run('doctor');
      const statuses = 'default_pool_size' in settings ? [200, 200] : await createAndDelete();
      expect([migrated.stderr, migrated.code]).toStrictEqual(['', 0]);
      expect([examined.stderr, examined.code]).toStrictEqual(['', 0]);
      expect(statuses).toStrictEqual([200, 200]);
    },
    60_000,
  );

  test('PgBouncer in session mode with a single session is not rejected', async () => {
    url = await startPooler({
      pool_mode: 'session',
      default_pool_size: 1,
    });
    const { code, stdout } = await run('doctor');
    expect([stdout, code]).toStrictEqual([expect.stringMatching(/^ok +database +Connected to/m), 0]);
  });

  test('each program names the startup parameter that PgBouncer rejects', async () => {
    url = await startPooler({ pool_mode: 'transaction' });
    const { serve, migrate, doctor } = await runEverywhere(url, { PGOPTIONS: '-c geqo=off' });
    for (const line of [lineOf(serve), migrate.message, ...doctor.wrong]) {
      expect(line).toMatch(
        /: PgBouncer rejects the start-up parameter options\. Remove options from DATABASE_URL and PGOPTIONS, or connect/,
      );
    }
    expect(doctor.wrong).toHaveLength(1);
  });

  test('each program names the database that PgBouncer does not have', async () => {
    url = await startPooler({ pool_mode: 'session' });
    const { everything, doctor } = await runEverywhere(url.replace(/postgres$/, 'none'));
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
