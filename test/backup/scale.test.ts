import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestTables, withoutRestore } from '../support/backup.ts';
import { createCommandLine } from '../support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { useTestFolder } from '../support/test-folder.ts';

const eventCount = 30_000;
/** Smaller than the tables: only a few pieces may be in memory. */
const heapMb = 64;

const folder = useTestFolder();
let full: TestDatabase;
let empty: TestDatabase;
beforeAll(async () => {
  [full, empty] = await Promise.all([createTestDatabase(), createTestDatabase({ isEmpty: true })]);
  // A table with few indexes.
  await full.sql(
    `INSERT INTO audit_events (account, credential, address, request_id, operation, outcome, reason)
     SELECT 'a', 'c', 'd', n::text, 'o', 'done', repeat('ü', 2000) FROM generate_series(1, $1::int) n`,
    [eventCount],
  );
  // One row that is larger than a piece of the file.
  await full.sql(
    `INSERT INTO number_list_chunks SELECT 1, 1, array_agg(lpad(n::text, 32, '0')) FROM generate_series(1, 100000) n`,
  );
}, 180_000);
afterAll(async () => {
  await full.drop();
  await empty.drop();
});

test(`${eventCount} rows of 4 KB and a row of 3 MB are backed up and restored within a heap of ${heapMb} MB`, async () => {
  const file = join(folder, 'large.backup');
  for (const [database, command] of [
    [full, 'backup'],
    [empty, 'restore'],
  ] as const) {
    const commandLine = createCommandLine(() => database);
    commandLine.environment['NODE_OPTIONS'] = `--max-old-space-size=${heapMb}`;
    expect(await commandLine.run(command, file)).toMatchObject({ code: 0, stderr: '' });
  }
  expect(await digestTables(empty, withoutRestore)).toStrictEqual(await digestTables(full));
}, 300_000);
