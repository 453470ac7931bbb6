import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { openTestApp, type Json, type TestApp } from '../support/test-app.ts';
import { createTestFolder } from '../support/test-folder.ts';

// Exports have the former subscribers of the groups in the file, and imports add those that the database lacks.

let app: TestApp;
let folder: string;
let file: string;
beforeAll(async () => {
  app = await openTestApp();
  folder = await createTestFolder();
  file = join(folder, 'plans.ndjson');
});
afterAll(async () => {
  await app.close();
  await rm(folder, { recursive: true, force: true });
});
const { run } = createCommandLine(() => app);

const readHistory = () =>
  app.sql('SELECT group_id, username, starts_at, expires_at, removed_at FROM subscriber_history ORDER BY id');
const exportLines = async (...options: string[]): Promise<Record<string, Json>[]> => {
  expect(await run('groups', 'export', file, '--force', ...options)).toMatchObject({ code: 0 });
  return (await readFile(file, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
};
const formerOf = (lines: readonly Record<string, Json>[]) =>
  lines.filter(({ kind }) => kind === 'formerSubscriber').map(({ groupId, username }) => [groupId, username]);
const importFile = async () => {
  const { code, stdout, stderr } = await run('groups', 'import', file, '--json');
  expect([code, stderr]).toStrictEqual([0, '']);
  return JSON.parse(stdout).formerSubscribers;
};

/** Groups 1 to 4 with a former subscriber each: 2 and 3 are deleted, and 3 is purged. Group 4 has two. */
beforeEach(async () => {
  await app.sql(
    'TRUNCATE groups, service_groups, subscribers, subscriber_history, deleted_groups RESTART IDENTITY',
  );
  for (let id = 1; id <= 4; id++) {
    await app.createGroup();
    await app.post('/subscribe', { username: `user ${id}`, groupId: id });
    await app.post('/removeUserSubscription', { username: `user ${id}`, groupId: id });
  }
  await app.post('/subscribe', { username: 'user 4', groupId: 4 });
  await app.post('/removeUserSubscription', { username: 'user 4', groupId: 4 });
  for (const id of [2, 3]) await app.post('/deleteGroup', { id });
  await app.post('/purgeDeletedGroup', { id: 3 });
});

test('an export has the former subscribers of live and deleted groups, and not those of purged groups', async () => {
  const lines = await exportLines();
  expect(formerOf(lines)).toStrictEqual([
    [1, 'user 1'],
    [2, 'user 2'],
    [4, 'user 4'],
    [4, 'user 4'],
  ]);
  expect(lines.at(-1)).toMatchObject({ kind: 'end', formerSubscribers: 4 });
  expect(formerOf(await exportLines('--id', '2'))).toStrictEqual([[2, 'user 2']]);
});

test('an import adds the former subscribers that the database lacks, and leaves the others unchanged', async () => {
  await exportLines();
  const before = await readHistory();
  expect(await importFile()).toStrictEqual({ added: 0, restored: 0, unchanged: 4 });
  expect(await readHistory()).toStrictEqual(before);

  await app.sql('DELETE FROM subscriber_history WHERE group_id IN (1, 3)');
  expect(await importFile()).toStrictEqual({ added: 1, restored: 0, unchanged: 3 });
  const byGroup = (rows: Awaited<ReturnType<typeof readHistory>>) =>
    rows.toSorted((one, other) => Number(one['group_id']) - Number(other['group_id']));
  expect(byGroup(await readHistory())).toStrictEqual(
    byGroup(before.filter(({ group_id: groupId }) => groupId !== 3)),
  );
});

test('identical rows of the history are exported as one record', async () => {
  await app.sql(
    `INSERT INTO subscriber_history (group_id, username, starts_at, expires_at, removed_at)
     SELECT group_id, username, starts_at, expires_at, removed_at FROM subscriber_history`,
  );
  expect(formerOf(await exportLines())).toHaveLength(4);
  expect(await importFile()).toStrictEqual({ added: 0, restored: 0, unchanged: 4 });
});

test('an import rejects a former subscriber of a group that is neither live nor deleted, and changes nothing', async () => {
  const lines = await exportLines();
  const edited = lines.map((line) => (line['groupId'] === 4 ? { ...line, groupId: 3 } : line));
  await writeFile(file, edited.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await app.sql('DELETE FROM subscriber_history');
  const { code, stderr } = await run('groups', 'import', file);
  expect([code, stderr]).toStrictEqual([
    1,
    'group-api: Line 7: there is no group 3, neither in the file nor in the database. Nothing was imported (BAD_USER_INPUT)\n',
  ]);
  expect(await readHistory()).toStrictEqual([]);
});
