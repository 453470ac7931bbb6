import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from '@jest/globals';
import { bin, createCommandLine, cwd } from '../support/command-line.ts';
import { useTestApp } from '../support/test-app.ts';
import { createTestDatabase } from '../support/test-database.ts';
import { useTestFolder } from '../support/test-folder.ts';
import { importEvents, isImporting, readTables, startImport } from '../support/transfer.ts';
import { waitUntil } from '../support/wait-until.ts';

// Exports and imports in separate processes, which are ended or have to wait.
const app = useTestApp();
const folder = useTestFolder();
const file = join(folder, 'plans.ndjson');
let ids: { full: number; plain: number };
beforeAll(async () => {
  const { body } = await app.post('/createServiceGroup', { serviceGroup: { name: 'Family' } });
  const serviceGroupId = body.data.createServiceGroup.id;
  ids = { full: await app.createGroup({ serviceGroupId }), plain: await app.createGroup() };
  await app.post('/subscribe', { groupId: ids.full, username: 'Zoë' });
  await app.sql(`INSERT INTO subscribers VALUES ($1, 'ended', '0001-01-01Z', '2020-01-01Z')`, [ids.plain]);
  const deleted = await app.createGroup({ name: 'Deleted', serviceGroupId });
  await app.post('/deleteGroup', { id: deleted });
});

const here = createCommandLine(() => app);
const exportAgain = async () => {
  const answer = await here.run('groups', 'export', file, '--force');
  expect(answer).toMatchObject({ code: 0, stderr: '' });
};

test('an export that cannot write its file prints one line with the path', async () => {
  const run = (script: string) =>
    promisify(execFile)('sh', ['-c', script], { cwd, env: { ...process.env, DATABASE_URL: app.url } }).then(
      () => '',
      ({ stderr }: { stderr: string }) => stderr,
    );
  const command = `${process.execPath} ${bin} groups export`;
  expect(await run(`${command} > /dev/full`)).toMatch(
    /^group-api: Cannot write to standard output: ENOSPC.*\n$/,
  );
  expect(await run(`${command} --json > /dev/full`)).toContain('--json requires a file');
  expect(await run(`${command} ''`)).toBe('group-api: The name of the file is empty\n');
});

test.each([
  ['SIGKILL', [null, '']],
  ['SIGTERM', [1, 'group-api: Aborted; nothing was changed\n']],
  ['SIGINT', [1, 'group-api: Aborted; nothing was changed\n']],
] as const)('an import that is ended by %s in the middle leaves nothing', async (signal, ending) => {
  await exportAgain();
  const other = await createTestDatabase();
  const before = await readTables(other);
  const text = await readFile(file, 'utf8');
  const command = startImport(other);
  // Everything except the end: the previous lines are in an open transaction.
  command.stdin.write(text.slice(0, text.lastIndexOf('{')));
  await waitUntil(() => isImporting(other));
  command.kill(signal);
  expect(await command.exited).toStrictEqual(ending);
  await waitUntil(async () => !(await isImporting(other)));
  expect(await readTables(other)).toStrictEqual(before);
  expect(await importEvents(other)).toStrictEqual([]);
  await other.drop();
});

test('an import blocks concurrent row locks, and completes', async () => {
  await exportAgain();
  await app.sql(`DELETE FROM subscribers WHERE username = 'ended'`);
  const lines = (await readFile(file, 'utf8')).split(/(?<=\n)/);
  const command = startImport(app);
  command.stdin.write(lines.slice(0, 3).join(''));
  const countLocks = async (condition: string) =>
    (
      await app.sql(
        `SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
         WHERE datname = current_database() AND relation = 'groups'::regclass AND ${condition}`,
      )
    ).length;
  await waitUntil(async () => (await countLocks(`mode = 'ExclusiveLock' AND granted`)) > 0);
  const moving = app.post('/moveSubscribers', { fromGroupId: ids.full, toGroupId: ids.plain });
  await waitUntil(async () => (await countLocks('NOT granted')) > 0);
  command.stdin.end(lines.slice(3).join(''));
  expect(await command.exited).toStrictEqual([0, '']);
  expect([200, 503]).toContain((await moving).status);
  expect(await app.sql(`SELECT group_id FROM subscribers WHERE username = 'ended'`)).toStrictEqual([
    { group_id: ids.plain },
  ]);
});
