import pg from 'pg';

/** Drops what the run made, which is where a test file that left a connection open is found out. */
export default async function tearDown() {
  const admin = new pg.Client({ connectionString: process.env.TEST_ADMIN_URL });
  await admin.connect();
  const { rows } = await admin.query('SELECT datname FROM pg_database WHERE starts_with(datname, $1)', [
    process.env.TEST_RUN,
  ]);
  for (const { datname } of rows) await admin.query(`DROP DATABASE ${datname}`);
  await admin.end();
  await globalThis.closeTestCluster?.();
}
