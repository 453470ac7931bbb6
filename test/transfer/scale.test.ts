import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { bin, createCommandLine, cwd } from '../support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { createTestFolder } from '../support/test-folder.ts';

const groupCount = 50_000;
/** Smaller than the file: only a few batches may be in memory. */
const heapMb = 96;

let full: TestDatabase;
let empty: TestDatabase;
let folder: string;
beforeAll(async () => {
  [full, empty, folder] = await Promise.all([createTestDatabase(), createTestDatabase(), createTestFolder()]);
  await full.sql(
    `INSERT INTO groups (name, description, tag_name, duration, price)
     SELECT 'Plan ' || n, repeat('ü', 2000), 't', 30, 9.9 FROM generate_series(1, $1::int) n`,
    [groupCount],
  );
  await full.sql(
    `INSERT INTO subscribers (group_id, username) SELECT 1 + n % 100, 'user ' || n FROM generate_series(1, $1::int) n`,
    [groupCount],
  );
}, 180_000);
afterAll(async () => {
  await full.drop();
  await empty.drop();
  await rm(folder, { recursive: true, force: true });
});

test(`${groupCount} groups of 4 KB are exported and imported within a heap of ${heapMb} MB`, async () => {
  const environment = { NODE_OPTIONS: `--max-old-space-size=${heapMb}` };
  const from = createCommandLine(() => full);
  const to = createCommandLine(() => empty);
  Object.assign(from.environment, environment);
  Object.assign(to.environment, environment);
  const file = join(folder, 'large.ndjson');

  expect(await from.run('groups', 'export', file)).toMatchObject({ code: 0, stderr: '' });
  expect(await to.run('groups', 'import', file)).toMatchObject({ code: 0, stderr: '' });

  const digest = `SELECT (SELECT md5(string_agg(group_row(groups)::text, '' ORDER BY id)) FROM groups) AS groups,
    (SELECT md5(string_agg(to_jsonb(subscribers)::text, '' ORDER BY group_id, username)) FROM subscribers) AS subscribers`;
  expect(await empty.sql(digest)).toStrictEqual(await full.sql(digest));
}, 240_000);

test('an export is a consistent snapshot, waits for its reader, and ends without an error if the pipe is closed', async () => {
  const start = () =>
    spawn(process.execPath, [bin, 'groups', 'export'], {
      cwd,
      env: { PATH: process.env['PATH'], DATABASE_URL: full.url },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const slow = start();
  await once(slow.stdout, 'readable');
  // The export waits for its reader. Rows that are written now are not in its snapshot.
  await full.sql('DELETE FROM subscribers WHERE group_id = 1');
  await full.sql(`UPDATE groups SET name = 'Later' WHERE id = $1`, [groupCount]);
  const path = join(folder, 'slow.ndjson');
  slow.stdout.pipe(createWriteStream(path));
  await once(slow, 'close');
  const text = await readFile(path, 'utf8');
  expect(text).not.toContain('Later');
  expect(text).toMatch(
    new RegExp(
      `"kind":"end","serviceGroups":0,"groups":${groupCount},"subscribers":${groupCount},"deletedGroups":0,"formerSubscribers":0}\n$`,
    ),
  );

  const cut = start();
  let stderr = '';
  cut.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  await once(cut.stdout, 'readable');
  cut.stdout.destroy();
  const [code] = await once(cut, 'close');
  expect([code, stderr]).toStrictEqual([1, '']);
}, 120_000);
