import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestTables, listTables, readParts, readSequences, writeParts } from '../support/backup.ts';
import { createCommandLine } from '../support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { useTestFolder } from '../support/test-folder.ts';

// Files that are no complete backup of this version: each is rejected by name, and the database stays empty.

const folder = useTestFolder();
const [goodFile, badFile] = [join(folder, 'good.backup'), join(folder, 'bad.backup')];
let empty: TestDatabase;
const { run } = createCommandLine(() => empty);
let good: Buffer;
beforeAll(async () => {
  const full = await createTestDatabase();
  await full.sql(
    `INSERT INTO groups (name, tag_name, duration, price) SELECT 'Plan ' || n, 't', 30, 9.9 FROM generate_series(1, 200) n`,
  );
  await full.sql(`INSERT INTO subscribers SELECT n, md5(n::text) FROM generate_series(1, 200) n`);
  await createCommandLine(() => full).run('backup', goodFile);
  good = await readFile(goodFile);
  await full.drop();
  empty = await createTestDatabase();
});
afterAll(() => empty.drop());

/** Restores a file with this content, and returns the only line of its error. */
const reject = async (content: Buffer): Promise<string> => {
  await writeFile(badFile, content);
  const before = [await digestTables(empty), await readSequences(empty)];
  const { code, stdout, stderr } = await run('restore', badFile);
  expect([code, stdout]).toStrictEqual([1, '']);
  expect([await digestTables(empty), await readSequences(empty)]).toStrictEqual(before);
  expect(stderr.trimEnd()).not.toContain('\n');
  return stderr.replace(/^group-api: /, '').trimEnd();
};
const useAnother = 'Copy the file again, or use another backup';
const truncated = `The backup is truncated: its end is missing. ${useAnother}`;

test('a truncated backup is rejected wherever it ends, and nothing is restored', async () => {
  for (const part of [0.2, 0.5, 0.9])
    expect(await reject(good.subarray(0, good.length * part))).toBe(truncated);
  expect(await reject(good.subarray(0, good.length - 1))).toBe(truncated);
  const parts = readParts(good);
  // Compressed again, so that only the end of the backup is missing.
  const withoutEnd = Buffer.concat(
    parts.slice(0, -1).flatMap(({ record, bytes }) => [Buffer.from(JSON.stringify(record) + '\n'), bytes]),
  );
  expect(await reject(gzipSync(withoutEnd))).toBe(truncated);
  expect(await reject(gzipSync(withoutEnd.subarray(0, -10)))).toBe(truncated);
});

test('a backup with a changed byte is rejected wherever it is, and nothing is restored', async () => {
  for (let at = 10; at < good.length; at += Math.ceil(good.length / 12)) {
    const altered = Buffer.from(good);
    altered[at]! ^= 0x10;
    expect(await reject(altered)).toMatch(
      /^The backup is (damaged|truncated): .*\.|^The file is not a backup/,
    );
  }
});

test('a backup with other rows than its checksums is rejected, and nothing is restored', async () => {
  const rewrite = (change: (part: ReturnType<typeof readParts>[number]) => Buffer) =>
    gzipSync(
      Buffer.concat(
        readParts(good).flatMap((part) => {
          const bytes = change(part);
          return [Buffer.from(JSON.stringify(part.record) + '\n'), bytes];
        }),
      ),
    );
  const changed = rewrite(({ record, bytes }) =>
    record.table === 'groups' ? Buffer.from(bytes.toString().replace('Plan 7\t', 'Plan 8\t')) : bytes,
  );
  expect(await reject(changed)).toBe(
    `The backup is damaged: the rows of the table groups do not match their checksum. ${useAnother}`,
  );
  const changedHeader = rewrite(({ record, bytes }) => {
    if (record.kind === 'header') record.createdAt = '2020-01-01T00:00:00.000Z';
    return bytes;
  });
  expect(await reject(changedHeader)).toBe(
    `The backup is damaged: its content does not match its checksum. ${useAnother}`,
  );
});

test('a backup with further bytes after its end is rejected, and nothing is restored', async () => {
  const rejection = /^The backup is damaged: (it continues after its end|it cannot be decompressed)\. Copy/;
  for (const more of [Buffer.from('more'), Buffer.alloc(512), Buffer.alloc(200_000, 1), good])
    expect(await reject(Buffer.concat([good, more]))).toMatch(rejection);
});

test('rows that violate a constraint are rejected although the checksums match, and nothing is restored', async () => {
  const parts = readParts(good).map(({ record, bytes }) => ({
    record,
    bytes: record.table === 'subscribers' ? Buffer.from(bytes.toString().replace(/^7\t/m, '900\t')) : bytes,
  }));
  expect(await reject(writeParts(parts))).toMatch(
    /^The backup is damaged: PostgreSQL rejects its rows \(insert or update on table "subscribers" violates foreign key constraint .*\)\. Copy/,
  );
  // The same way of writing is accepted if the rows are.
  await writeFile(badFile, writeParts(readParts(good)));
  const database = await createTestDatabase({ isEmpty: true });
  expect(await createCommandLine(() => database).run('restore', badFile)).toMatchObject({
    code: 0,
    stderr: '',
  });
  await database.drop();
});

test.each([
  ['an empty file', Buffer.alloc(0)],
  ['a text', Buffer.from('{"kind":"header","format":"group-api export"}\n')],
  ['a compressed text', gzipSync('{"kind":"header","format":"group-api export"}\n')],
  ['a compressed text without a line break', gzipSync('text')],
])('%s is not a backup, and a database is not even opened', async (_, content) => {
  await writeFile(badFile, content);
  const { run: runNowhere } = createCommandLine(() => ({ url: 'postgresql://127.0.0.1:1/none' }));
  expect(await runNowhere('restore', badFile)).toStrictEqual({
    code: 1,
    stdout: '',
    stderr:
      'group-api: The file is not a backup of group-api. Pass a file of `group-api backup`; a file of `groups export` is for `groups import`\n',
  });
});

test('a backup of a newer version is rejected by the name of its format or migration, and the database gets no tables', async () => {
  const change = (header: object) =>
    writeParts(
      readParts(good).map((part, index) =>
        index === 0 ? { ...part, record: { ...part.record, ...header } } : part,
      ),
    );
  const database = await createTestDatabase({ isEmpty: true });
  const restore = async (header: object) => {
    await writeFile(badFile, change(header));
    return (await createCommandLine(() => database).run('restore', badFile)).stderr;
  };
  expect(await restore({ version: 2 })).toBe(
    'group-api: The backup has version 2 of the format, and this version of group-api reads version 1. Update group-api\n',
  );
  const { migrations, tables } = readParts(good)[0]!.record;
  expect(await restore({ migrations: [...migrations, '0999_later'] })).toBe(
    'group-api: The backup has the migration 0999_later, which is unknown to this version of group-api. Update group-api\n',
  );
  expect(await listTables(database)).toStrictEqual([]);
  // A name from the file never becomes SQL.
  expect(await restore({ tables: [...tables, { name: 'x; DROP TABLE groups', columns: ['y'] }] })).toContain(
    `The backup is damaged: its tables are not those of the migration ${migrations.at(-1)}`,
  );
  await database.drop();
});

test('a missing file and standard input without a backup are rejected', async () => {
  const { runWith } = createCommandLine(() => empty);
  expect(await runWith('', 'restore', join(folder, 'none'))).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^group-api: Cannot read .*ENOENT/),
  });
  expect((await runWith('text', 'restore', '-')).stderr).toMatch(/^group-api: The file is not a backup/);
});
