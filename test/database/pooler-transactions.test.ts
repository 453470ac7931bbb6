import { createPool } from '../../src/postgres/connection.ts';
import { hasPgBouncer } from '../support/pgbouncer.js';
import { usePoolers } from '../support/poolers.ts';
import { copyProgram } from '../support/program-copy.ts';
import { openTestApp } from '../support/test-app.ts';
import { useTestDatabase } from '../support/test-database.ts';
import { describe, expect, test } from '@jest/globals';
import pg from 'pg';

// Settings and transactions through a pooler that assigns a session per transaction. pooler.test.ts has the other modes.

const { postgres, startPooler, urlOfPort } = usePoolers();

(hasPgBouncer ? describe : describe.skip)('PgBouncer in transaction mode', () => {
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
    const url = (
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
});
