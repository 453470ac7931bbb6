import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { bin, cwd } from '../support/command-line.ts';
import { useNewIdsImport } from '../support/new-ids.ts';
import { emptyTables } from '../support/transfer.ts';

const { source, target, folder, file, there, here, readTables, lastEvent, importNew } = useNewIdsImport();

describe('the map of new ids', () => {
  test('is printed as text after the counts', async () => {
    const { code, stdout } = await here.run('groups', 'import', file, '--new-ids');
    expect([code, stdout]).toStrictEqual([
      0,
      [
        'service groups: 2 added, 0 unchanged',
        'groups: 2 added, 0 restored, 0 unchanged',
        'subscribers: 3 added, 0 unchanged',
        'deleted groups: 2 added, 0 unchanged',
        'former subscribers: 2 added, 0 unchanged',
        'new ids:',
        'service group 1 -> 3',
        'service group 2 -> 4',
        'group 1 -> 4',
        'group 2 -> 5',
        'deleted group 3 -> 6',
        'deleted group 4 -> 7',
        '',
      ].join('\n'),
    ]);
  });

  test('is written as CSV or JSON by the ending of --map, readable by its owner only; an existing file is kept without --force', async () => {
    const csv = join(folder, 'ids.csv');
    await importNew('--map', csv);
    expect(await readFile(csv, 'utf8')).toBe(
      'kind,oldId,newId\nserviceGroup,1,3\nserviceGroup,2,4\ngroup,1,4\ngroup,2,5\ndeletedGroup,3,6\ndeletedGroup,4,7\n',
    );
    expect((await stat(csv)).mode & 0o777).toBe(0o600);

    const before = await readTables(target);
    const again = await here.run('groups', 'import', file, '--new-ids', '--map', csv);
    expect(again).toStrictEqual({
      code: 1,
      stdout: '',
      stderr: `group-api: ${csv} already exists: choose another name, or pass --force\n`,
    });
    expect(await readTables(target)).toStrictEqual(before);
    await importNew('--map', csv, '--force');
    expect(await readFile(csv, 'utf8')).toContain('\ngroup,1,8\n');

    const json = join(folder, 'ids.JSON');
    const { newIds } = await importNew('--map', json);
    expect(JSON.parse(await readFile(json, 'utf8'))).toStrictEqual(newIds);
  });

  test('is in its file although standard output is full: the groups are imported', async () => {
    const map = join(folder, 'full.csv');
    const script = `${process.execPath} ${bin} groups import ${file} --new-ids --map ${map} > /dev/full`;
    const child = spawn('sh', ['-c', script], { cwd, env: { ...process.env, DATABASE_URL: target.url } });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const [code] = await once(child, 'close');
    expect([code, stderr]).toStrictEqual([
      1,
      expect.stringMatching(/^group-api: Cannot write to standard output: ENOSPC.*\n$/),
    ]);
    expect(await readFile(map, 'utf8')).toContain('\ngroup,1,4\n');
    expect(await target.sql('SELECT name FROM groups WHERE id = 4')).toStrictEqual([{ name: 'One' }]);
  });

  test('is empty but valid for a file without records', async () => {
    await source.sql(emptyTables);
    await there.run('groups', 'export', file, '--force');
    const nothing = { serviceGroups: {}, groups: {}, deletedGroups: {} };
    expect((await importNew()).newIds).toStrictEqual(nothing);
  });

  test.each([
    [['--map', 'ids.csv'], '--map requires --new-ids'],
    [['--force'], '--force requires --map'],
    [['--new-ids', '--map', 'ids.txt'], '--map requires a name that ends in .csv or .json, not ids.txt'],
    [['--new-ids', '--map', '/no/where/ids.csv'], 'Cannot write /no/where/ids.csv: ENOENT'],
  ])('%j is rejected, and nothing is imported', async (options, message) => {
    const before = await readTables(target);
    const { code, stdout, stderr } = await here.run('groups', 'import', file, ...options);
    expect([code, stdout, stderr]).toStrictEqual([1, '', expect.stringContaining(`group-api: ${message}`)]);
    expect(await readTables(target)).toStrictEqual(before);
  });

  test('a dry run prints the ids that the import gives, and changes nothing, neither sequences nor files', async () => {
    const before = await readTables(target);
    const map = join(folder, 'dry.csv');
    const dry = await importNew('--dry-run', '--map', map);
    expect(await readTables(target)).toStrictEqual(before);
    expect(await readdir(folder)).toEqual(expect.not.arrayContaining([expect.stringContaining('dry.csv')]));
    expect(await lastEvent()).toMatchObject({ outcome: 'dry-run', after: { newIdCounts: { groups: 2 } } });
    expect(await importNew()).toStrictEqual({ ...dry, isDryRun: false });
  });
});
