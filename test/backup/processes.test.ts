import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestTables, readSequences, withoutRestore } from '../support/backup.ts';
import { bin, createCommandLine, cwd } from '../support/command-line.ts';
import { onTerminal, runAtTerminal } from '../support/terminal.ts';
import { useTestApp } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { useTestFolder } from '../support/test-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

// Backups and restores in separate processes: in pipes, next to a server, ended in the middle.

const app = useTestApp();
const folder = useTestFolder();
const file = join(folder, 'plans.backup');
const here = createCommandLine(() => app);
const subscriberCount = 60_000;
let groupId: number;
beforeAll(async () => {
  groupId = await app.createGroup();
  await app.sql(`INSERT INTO subscribers SELECT $1, md5(n::text) FROM generate_series(1, $2::int) n`, [
    groupId,
    subscriberCount,
  ]);
  expect(await here.run('backup', file)).toMatchObject({ code: 0, stderr: '' });
}, 120_000);

const start = (database: { readonly url: string }, ...args: string[]) =>
  spawn(process.execPath, [bin, ...args], {
    cwd,
    env: { PATH: process.env['PATH'], DATABASE_URL: database.url },
    stdio: 'pipe',
  });
const ended = async (child: ChildProcess) => {
  let stderr = '';
  child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return [code, stderr] as const;
};
const isCopying = async (database: TestDatabase, copy: string) =>
  (
    await database.sql(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE $1
         AND state <> 'idle'`,
      [copy],
    )
  ).length > 0;

let empty: TestDatabase;
beforeAll(async () => {
  empty = await createTestDatabase();
});
afterAll(() => empty.drop());

test('a backup goes into an embedded database by a pipe, and from there back into a database', async () => {
  const database = await createTestDatabase({ isEmpty: true });
  const before = await digestTables(app);
  const dataDir = join(folder, 'embedded');
  const program = `${process.execPath} ${bin}`;
  const script = `set -e
    DATABASE_URL='${app.url}' ${program} backup - | DATA_DIR='${dataDir}' ${program} restore -
    DATA_DIR='${dataDir}' ${program} backup - | DATABASE_URL='${database.url}' ${program} restore -`;
  await promisify(execFile)('sh', ['-c', script], { cwd, env: { PATH: process.env['PATH'] } });
  expect(await digestTables(database, withoutRestore)).toStrictEqual(before);
  expect(await database.sql(`SELECT FROM audit_events WHERE operation = 'restore'`)).toHaveLength(2);
  await database.drop();
}, 180_000);

test('a backup waits for its reader and has one snapshot, while the server deletes, edits and subscribes', async () => {
  const deleted = await app.createGroup({ name: 'Deleted later' });
  const before = await digestTables(app);
  const backup = start(app, 'backup', '-');
  await once(backup.stdout, 'readable');
  // Now the snapshot exists, and the backup waits. Locks of it would block the server.
  const calls = [
    await app.post('/deleteGroup', { id: deleted }),
    await app.post('/editGroup', { id: groupId, group: { name: 'Renamed later' } }),
    await app.post('/subscribe', { groupId, username: 'later' }),
  ];
  expect(calls.map(({ status }) => status)).toStrictEqual([200, 200, 200]);
  const path = join(folder, 'slow.backup');
  backup.stdout.pipe(createWriteStream(path));
  expect(await ended(backup)).toStrictEqual([0, '']);

  const database = await createTestDatabase({ isEmpty: true });
  expect(await createCommandLine(() => database).run('restore', path)).toMatchObject({ code: 0, stderr: '' });
  expect(await digestTables(database, withoutRestore)).toStrictEqual(before);
  await database.drop();
}, 180_000);

test('a backup whose reader ends fails without a message; one that cannot write says why', async () => {
  const cut = start(app, 'backup', '-');
  await once(cut.stdout, 'readable');
  cut.stdout.destroy();
  expect(await ended(cut)).toStrictEqual([1, '']);

  const full = promisify(execFile)('sh', ['-c', `${process.execPath} ${bin} backup - > /dev/full`], {
    cwd,
    env: { PATH: process.env['PATH'], DATABASE_URL: app.url },
  });
  await expect(full).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^group-api: Cannot write to standard output: ENOSPC.*\n$/),
  });
}, 60_000);

test.each([
  ['SIGTERM', [1, 'group-api: Aborted; nothing was changed\n']],
  ['SIGINT', [1, 'group-api: Aborted; nothing was changed\n']],
  ['SIGKILL', [null, '']],
] as const)(
  'a restore that is ended by %s in the middle leaves an empty database',
  async (signal, ending) => {
    const before = [await digestTables(empty), await readSequences(empty)];
    const content = await readFile(file);
    const restore = start(empty, 'restore', '-');
    restore.stdin.on('error', () => undefined);
    // Everything except the end: the rows are in an open transaction.
    restore.stdin.write(content.subarray(0, -100));
    await waitUntil(() => isCopying(empty, 'COPY "public"."subscribers" %'));
    const end = ended(restore);
    restore.kill(signal);
    expect(await end).toStrictEqual(ending);
    await waitUntil(async () => !(await isCopying(empty, 'COPY %')));
    expect([await digestTables(empty), await readSequences(empty)]).toStrictEqual(before);
  },
  60_000,
);

test('a backup that is ended in the middle, or whose session ends, leaves no file', async () => {
  const before = await readdir(folder);
  for (const end of [
    (child: ChildProcess) => Promise.resolve(child.kill('SIGTERM')),
    () =>
      app.sql(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY (%'`,
      ),
  ]) {
    const backup = start(app, 'backup', join(folder, 'ended.backup'));
    const result = ended(backup);
    await waitUntil(() => isCopying(app, 'COPY (%'));
    await end(backup);
    expect(await result).toStrictEqual([
      1,
      expect.stringMatching(
        /^group-api: (Aborted; nothing was changed|PostgreSQL at .* ended the work: .*)\n$/,
      ),
    ]);
    expect(await readdir(folder)).toStrictEqual(before);
  }
}, 60_000);

onTerminal(
  'both show their progress on a terminal, and reject a terminal as the file',
  async () => {
    const database = await createTestDatabase({ isEmpty: true });
    const backup = await runAtTerminal(app, '', 'backup', '--force', file);
    expect([backup.code, backup.stdout]).toStrictEqual([
      0,
      expect.stringMatching(/\rBacked up \d+ records, \d+ a second.*\nSnapshot of /s),
    ]);
    const restore = await runAtTerminal(database, '', 'restore', file);
    expect([restore.code, restore.stdout]).toStrictEqual([
      0,
      expect.stringMatching(/\rRestored \d+ records, \d+ a second.*\nSnapshot of /s),
    ]);
    expect((await runAtTerminal(app, '', 'backup', '-')).stdout).toContain(
      'group-api: Standard output is a terminal: pass a file, or redirect the output',
    );
    await database.drop();
  },
  60_000,
);
