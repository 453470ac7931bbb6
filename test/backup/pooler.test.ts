import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestTables, withoutRestore } from '../support/backup.ts';
import { createCommandLine } from '../support/command-line.ts';
import { hasPgBouncer, startPgBouncer } from '../support/pgbouncer.js';
import { startTcpPostgres, type TcpPostgres } from '../support/tcp-postgres.ts';
import { useTestDatabase } from '../support/test-database.ts';
import { useTestFolder } from '../support/test-folder.ts';

if (!hasPgBouncer)
  process.stderr.write(
    'Backups through a pooler are not tried, since PgBouncer is not installed: those tests are skipped\n',
  );
const testWithPgBouncer = hasPgBouncer ? test : test.skip;

const folder = useTestFolder();
const file = join(folder, 'plans.backup');
let postgres: TcpPostgres;
let pooler: Awaited<ReturnType<typeof startPgBouncer>>;
beforeAll(async () => {
  postgres = await startTcpPostgres();
});
afterAll(async () => {
  await pooler?.close();
  await postgres.close();
});

testWithPgBouncer(
  'a database is backed up and restored through PgBouncer in transaction mode, and comes back the same',
  async () => {
    pooler = await startPgBouncer({ host: '127.0.0.1', port: postgres.port }, { pool_mode: 'transaction' });
    const urlOf = (database: string) => `postgresql://postgres@127.0.0.1:${pooler.port}/${database}`;
    for (const name of ['source', 'target']) await postgres.sql(`CREATE DATABASE ${name}`);
    const run = (database: string, ...args: string[]) =>
      createCommandLine(() => ({ url: `${urlOf(database)}?statement_timeout=20000` })).run(...args);
    expect(await run('source', 'migrate')).toMatchObject({ code: 0 });
    await postgres.sql(
      `INSERT INTO groups (name, tag_name, duration, price) SELECT 'Plan ' || n, 't', 30, 9.9 FROM generate_series(1, 2000) n`,
      'source',
    );
    await postgres.sql(
      'INSERT INTO subscribers SELECT n, md5(n::text) FROM generate_series(1, 2000) n',
      'source',
    );
    expect(await run('source', 'backup', file)).toMatchObject({ code: 0, stderr: '' });
    const restored = await run('target', 'restore', file);
    expect(restored).toMatchObject({ code: 0, stderr: '' });
    const direct = ['source', 'target'].map((name) =>
      useTestDatabase(`postgresql://postgres@127.0.0.1:${postgres.port}/${name}`),
    );
    const [source, target] = await Promise.all(
      direct.map((database) => digestTables(database, withoutRestore)),
    );
    for (const database of direct) await database.drop();
    expect(target).toStrictEqual(source);
    // A rejected restore leaves no transaction to the next client of the session.
    expect(await run('target', 'restore', file)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(' is not empty: there are rows in '),
    });
    expect(await run('target', 'groups', 'list', '--count')).toMatchObject({ code: 0, stderr: '' });
  },
  120_000,
);
