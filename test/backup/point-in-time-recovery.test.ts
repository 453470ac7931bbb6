import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { requireServiceUser } from '../../src/embedded-postgres/service-user.ts';
import { createCommandLine } from '../support/command-line.ts';
import { createShell, readBlocks, withValue } from '../support/documented-commands.ts';
import { startTcpPostgres, type TcpPostgres } from '../support/tcp-postgres.ts';
import { useTestDatabase } from '../support/test-database.ts';
import { useTestFolder } from '../support/test-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

// docs/operations.md, "Point-in-time recovery": its commands, with other folders, ports and times.

const binDir = '/usr/lib/postgresql/15/bin';
const isInstalled = existsSync(binDir) && spawnSync('pgbackrest', ['version']).status === 0;
if (!isInstalled)
  process.stderr.write(
    'Point-in-time recovery is not tried, since pgBackRest or PostgreSQL 15 is not installed\n',
  );
const testIfInstalled = isInstalled ? test : test.skip;

const folder = useTestFolder();
let postgres: TcpPostgres;
let runBlock: (script: string) => Promise<string>;
beforeAll(async () => {
  if (!isInstalled) return;
  postgres = await startTcpPostgres(['local all all trust'], binDir);
  await postgres.sql('CREATE DATABASE plans');
  await postgres.sql(`ALTER SYSTEM SET unix_socket_directories = '${folder}'`);
  const runAs = process.getuid?.() === 0 ? await requireServiceUser() : undefined;
  for (const path of ['', 'repository', 'lock', 'spool'].map((name) => join(folder, name))) {
    await mkdir(path, { recursive: true });
    if (runAs) await chown(path, runAs.uid, runAs.gid);
  }
  const [config] = await readBlocks('docs/operations.md', 'Point-in-time recovery');
  const configFile = join(folder, 'pgbackrest.conf');
  const withRepository = withValue(config!.text, '/var/lib/pgbackrest', join(folder, 'repository'));
  await writeFile(configFile, withValue(withRepository, '/var/lib/postgresql/15/main', postgres.dataDir));
  runBlock = await createShell({
    folder,
    runAs,
    env: {
      PGHOST: '127.0.0.1',
      PGPORT: String(postgres.port),
      PGUSER: 'postgres',
      PGBACKREST_CONFIG: configFile,
      PGBACKREST_LOG_LEVEL_FILE: 'off',
      PGBACKREST_LOCK_PATH: join(folder, 'lock'),
      PGBACKREST_SPOOL_PATH: join(folder, 'spool'),
      PGBACKREST_PG1_PORT: String(postgres.port),
      PGBACKREST_PG1_USER: 'postgres',
      PGBACKREST_PG1_SOCKET_PATH: folder,
    },
    // The service manager and the users of Debian.
    programs: {
      sudo: '[ "$1" = -u ] && shift 2; exec "$@"',
      systemctl: `exec ${binDir}/pg_ctl "$1" -D '${postgres.dataDir}' -l '${folder}/log' -w -t 300 >/dev/null`,
    },
  });
}, 120_000);
afterAll(() => postgres?.close());

const { run } = createCommandLine(() => ({ url: `postgresql://postgres@127.0.0.1:${postgres.port}/plans` }));
const runJson = async (...args: string[]) => {
  const { code, stdout, stderr } = await run(...args, '--json');
  expect([code, stderr]).toStrictEqual([0, '']);
  return JSON.parse(stdout);
};
const createGroup = async (name: string): Promise<number> =>
  (await runJson('groups', 'create', '--name', name, '--tag-name', 't', '--duration', '1', '--price', '1'))
    .id;
const listNames = async () =>
  (await runJson('groups', 'list')).groups.map(({ name }: { name: string }) => name);

testIfInstalled(
  'the documented commands archive, and recover groups that were deleted and purged, as before the delete',
  async () => {
    const before = await createGroup('Before the base backup');
    const [, archive, recover] = await readBlocks('docs/operations.md', 'Point-in-time recovery');
    await runBlock(archive!.text);
    const after = await createGroup('After the base backup');
    await runJson('subscribers', 'add', 'ali', String(after), '--expires-at', '2100-01-01');
    const database = () => useTestDatabase(`postgresql://postgres@127.0.0.1:${postgres.port}/plans`);
    const first = database();
    const readTime = async () =>
      (await first.sql<{ time: string }>('SELECT clock_timestamp()::text AS time'))[0]!.time;
    // pgBackRest compares whole seconds: a backup of the same second is not before the time.
    const secondOf = (time: string) => time.slice(0, 'YYYY-MM-DD hh:mm:ss'.length);
    const archivedAt = await readTime();
    let time = archivedAt;
    await waitUntil(async () => secondOf((time = await readTime())) > secondOf(archivedAt));
    await first.drop();

    await runJson('subscribers', 'remove', 'ali', '--group', String(after), '--yes');
    await runJson('groups', 'delete', String(before), String(after), '--yes');
    await runJson('groups', 'purge', String(before), String(after), '--yes');
    expect(await listNames()).toStrictEqual([]);

    await runBlock(withValue(recover!.text, '2026-11-26 09:41:00+00', time));
    const second = database();
    await waitUntil(
      async () => {
        const [state] = await second.sql('SELECT pg_is_in_recovery() AS recovering').catch(() => []);
        return state?.['recovering'] === false;
      },
      { timeoutMs: 120_000 },
    );
    await second.drop();
    expect(await listNames()).toStrictEqual(['Before the base backup', 'After the base backup']);
    const { subscribers } = await runJson('subscribers', 'list', String(after));
    expect(subscribers).toMatchObject([{ username: 'ali' }]);
    const { auditEvents } = await runJson('audit', 'list');
    const operations = auditEvents.map(({ operation }: { operation: string }) => operation);
    expect(operations).toStrictEqual(['subscribers add', 'groups create', 'groups create']);
    // The recovered database is an ordinary one.
    await runJson('groups', 'delete', String(before), '--yes');
    expect(await listNames()).toStrictEqual(['After the base backup']);
  },
  600_000,
);
