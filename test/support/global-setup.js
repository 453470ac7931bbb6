import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { openEmbeddedPostgres } from '../../dist/embedded-postgres/cluster.js';
import { migrate } from '../../dist/database/migrations.js';
import { createPool } from '../../dist/postgres/connection.js';
import { startPgBouncer } from './pgbouncer.js';

/**
 * Starts one PostgreSQL for the whole run, unless TEST_DATABASE_URL names a server, and creates a migrated database in it. Every
 * test file gets a copy of that database: see test-database.ts. With TEST_DATABASE_POOLER, the tests use a PgBouncer in
 * this pool mode. TEST_DATABASE_URL may be that of another pooler.
 */
export default async function setUp() {
  const folder = await mkdtemp(join(tmpdir(), 'group-api-tests-'));
  // For the user of PostgreSQL, if the tests run as root.
  await chmod(folder, 0o1777);
  // Of this process and its workers: the temporary files of all tests, also of processes that were killed, are in it.
  process.env.TMPDIR = folder;
  const run = `group_api_test_${randomBytes(4).toString('hex')}`;
  let adminUrl = process.env.TEST_DATABASE_URL;
  if (!adminUrl) {
    const postgres = await openEmbeddedPostgres(join(folder, 'cluster'));
    const { host, user, database } = postgres.connection;
    adminUrl = `postgresql://localhost/${database}?host=${encodeURIComponent(host)}&user=${user}`;
    const poolMode = process.env.TEST_DATABASE_POOLER;
    const pooler = poolMode && (await startPgBouncer({ host, port: 5432 }, { pool_mode: poolMode }));
    if (pooler) {
      process.env.TEST_DIRECT_URL = adminUrl;
      adminUrl = `postgresql://${user}@127.0.0.1:${pooler.port}/${database}`;
    }
    globalThis.closeTestCluster = async () => {
      await pooler?.close();
      await postgres.close();
    };
  }

  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  if (globalThis.closeTestCluster) {
    // Nothing in this cluster outlives the run. Each test file drops its databases, and a DROP waits for the disk otherwise.
    for (const name of ['fsync', 'full_page_writes']) await admin.query(`ALTER SYSTEM SET ${name} = off`);
    await admin.query('SELECT pg_reload_conf()');
  }
  await admin.query(`CREATE DATABASE ${run}`);

  const templateUrl = new URL(adminUrl);
  templateUrl.pathname = `/${run}`;
  const pool = createPool({ connectionString: templateUrl.href, max: 1 });
  // Its session may still be ending when it is terminated below.
  pool.on('error', () => undefined);
  await migrate(pool);
  await pool.end();
  // A database cannot be copied while it has sessions, which a pooler keeps.
  await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [run]);
  await admin.end();

  process.env.TEST_RUN = run;
  process.env.TEST_ADMIN_URL = adminUrl;
}
