import { createCommandLine } from '../support/command-line.ts';
import { hasPgBouncer } from '../support/pgbouncer.js';
import { usePoolers } from '../support/poolers.ts';
import { lineOf, runEverywhere } from '../support/run-everywhere.ts';
import { startServer } from '../support/server-process.ts';
import { testKey } from '../support/test-app.ts';
import { describe, expect, test } from '@jest/globals';
import pg from 'pg';

if (!hasPgBouncer) {
  process.stderr.write(
    'The poolers are not tried, since PgBouncer is not installed: those tests are skipped\n',
  );
}
const describeWithPgBouncer = hasPgBouncer ? describe : describe.skip;

const { postgres, startPooler, urlOfPort } = usePoolers();
let url = '';
const { run, environment } = createCommandLine(() => ({ url }));

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
