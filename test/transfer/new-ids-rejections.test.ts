import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { useNewIdsImport, type Row } from '../support/new-ids.ts';
import { isImporting, startImport } from '../support/transfer.ts';
import { waitUntil } from '../support/wait-until.ts';

const { target, folder, file, here, readTables, importEvents, lastEvent, editFile } = useNewIdsImport();

describe('a rejected or interrupted import with --new-ids', () => {
  const change = (kind: string, changes: Row) => (lines: Row[]) =>
    lines.map((line) => (line['kind'] === kind ? { ...line, ...changes } : line));

  test.each<[string, (lines: Row[]) => Row[], string]>([
    [
      'a group whose service group only the database has',
      (lines) => lines.filter(({ kind, id }) => kind !== 'serviceGroup' || id !== 2),
      'Line 3: there is no service group 2 in the file. With new ids, records refer to those of the file only',
    ],
    [
      'a subscriber whose group only the database has',
      (lines) => lines.filter(({ kind, id }) => kind !== 'group' || id !== 1),
      'Line 5: there is no group 1 in the file. With new ids, records refer to those of the file only',
    ],
    [
      'a deleted group that is live in the file',
      (lines) =>
        lines
          .toSpliced(8, 1)
          .map((line) =>
            line['kind'] === 'deletedGroup' ? { ...line, group: { ...line['group'], id: 2 } } : line,
          ),
      'Line 9: group 2 is in the file twice, live and deleted',
    ],
    [
      'a former subscriber whose group only the database has',
      (lines) =>
        lines.map((line) =>
          line['kind'] === 'formerSubscriber' ? { ...line, groupId: line['groupId'] + 6 } : line,
        ),
      'Line 11: there is no group 7 in the file',
    ],
    ['a truncated file', (lines) => lines.slice(0, -1), 'the file is truncated'],
    ['other counts', change('end', { groups: 3 }), 'the footer counts 3 groups, but the file has 2'],
  ])('%s changes nothing and writes no map', async (_what, edit, message) => {
    const before = await readTables(target);
    await editFile(edit);
    const map = join(folder, 'rejected.csv');
    const { code, stdout, stderr } = await here.run('groups', 'import', file, '--new-ids', '--map', map);
    expect([code, stdout, stderr]).toStrictEqual([1, '', expect.stringContaining(message)]);
    expect(stderr).toContain('Nothing was imported (BAD_USER_INPUT)');
    expect(await readTables(target)).toStrictEqual(before);
    expect(await readdir(folder)).toEqual(
      expect.not.arrayContaining([expect.stringContaining('rejected.csv')]),
    );
    expect(await lastEvent()).toMatchObject({ outcome: 'refused', error_code: 'BAD_USER_INPUT' });
  });

  test('an import into a database without further ids is rejected with the line, and changes nothing', async () => {
    await target.sql(`SELECT setval('groups_id_seq', 1999999999)`);
    const before = await readTables(target);
    const { code, stderr } = await here.run('groups', 'import', file, '--new-ids');
    expect([code, stderr]).toStrictEqual([
      1,
      'group-api: Line 5: no ids up to 2000000000 are left for new records. Nothing was imported (BAD_USER_INPUT)\n',
    ]);
    expect(await readTables(target)).toStrictEqual(before);
  });

  test('ended by SIGTERM in the middle, it leaves neither rows, nor a map, nor gaps in the ids', async () => {
    const before = await readTables(target);
    const events = await importEvents();
    const text = await readFile(file, 'utf8');
    const command = startImport(target, '--new-ids', '--map', join(folder, 'ended.csv'));
    // The file up to the last deleted group: the records before it are in an open transaction.
    command.stdin.write(text.slice(0, text.indexOf('{"kind":"formerSubscriber"')));
    await waitUntil(() => isImporting(target));
    command.kill('SIGTERM');
    expect(await command.exited).toStrictEqual([1, 'group-api: Aborted; nothing was changed\n']);
    await waitUntil(async () => !(await isImporting(target)));
    expect(await readTables(target)).toStrictEqual(before);
    expect(await importEvents()).toStrictEqual(events);
    expect(await readdir(folder)).toEqual(expect.not.arrayContaining([expect.stringContaining('ended.csv')]));
  });
});
