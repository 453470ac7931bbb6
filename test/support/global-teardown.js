import { rm } from 'node:fs/promises';
import pg from 'pg';

/** Drops the databases of the run, and removes its temporary files. Fails if a test file has left a connection open. */
export default async function tearDown() {
  const admin = new pg.Client({ connectionString: process.env.TEST_ADMIN_URL });
  await admin.connect();
  const { rows } = await admin.query('SELECT datname FROM pg_database WHERE starts_with(datname, $1)', [
    process.env.TEST_RUN,
  ]);
  // A pooler keeps the sessions that connections have used.
  const force = process.env.TEST_DATABASE_POOLER ? ' WITH (FORCE)' : '';
  for (const { datname } of rows) await admin.query(`DROP DATABASE ${datname}${force}`);
  await admin.end();
  await globalThis.closeTestCluster?.();
  await rm(process.env.TMPDIR, { recursive: true, force: true });
}
