import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { bin, createCommandLine, cwd } from '../support/command-line.ts';
import { future } from '../support/probes.ts';
import { openTestApp, type Json, type TestApp } from '../support/test-app.ts';
import { createTestFolder } from '../support/test-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

// `groups import --new-ids`: plans move to a server that has its own plans, with the same ids.

let source: TestApp;
let target: TestApp;
let folder: string;
let file: string;
beforeAll(async () => {
  [source, target, folder] = await Promise.all([openTestApp(), openTestApp(), createTestFolder()]);
  file = join(folder, 'plans.ndjson');
});
afterAll(async () => {
  await Promise.all([source.close(), target.close()]);
  await rm(folder, { recursive: true, force: true });
});
const there = createCommandLine(() => source);
const here = createCommandLine(() => target);

type Row = Record<string, Json>;
type IdsByKind = Record<'serviceGroups' | 'groups' | 'deletedGroups', Record<string, number>>;

const createServiceGroup = async (app: TestApp, serviceGroup: object): Promise<number> => {
  const { body } = await app.post('/createServiceGroup', { serviceGroup });
  return body.data.createServiceGroup.id;
};
const emptyTables = (app: TestApp) =>
  app.sql(
    'TRUNCATE groups, service_groups, subscribers, subscriber_history, deleted_groups RESTART IDENTITY',
  );

/** Groups 1 to 4 in service groups 1 to 3: 3 is deleted, 4 is deleted and its service group too. 1 and 3 have history. */
const fillSource = async () => {
  await emptyTables(source);
  await createServiceGroup(source, { name: 'Family', description: 'shared', discount: 12.5 });
  await createServiceGroup(source, { name: 'Business', language: 'فارسی' });
  await createServiceGroup(source, { name: 'Removed' });
  await source.createGroup({ name: 'One', serviceGroupId: 2, price: '123456789012.3457', ip: '10.0.0.0/8' });
  await source.createGroup({ name: 'Two', hidden: true, protected: true });
  await source.createGroup({ name: 'Three', serviceGroupId: 1, description: 'گروه 🎁' });
  await source.createGroup({ name: 'Four', serviceGroupId: 3 });
  await source.post('/subscribe', { groupId: 1, username: 'mina', expiresAt: future });
  await source.post('/subscribe', { groupId: 2, username: 'mina' });
  await source.sql(`INSERT INTO subscribers VALUES (2, 'ended', '2019-01-01Z', '2020-01-01Z')`);
  await source.sql(`INSERT INTO subscribers VALUES (3, 'sara', '2019-01-01Z', '2020-01-01Z')`);
  for (const id of [3, 4]) await source.post('/deleteGroup', { id, reason: `why ${id}` });
  await source.post('/subscribe', { groupId: 1, username: 'sara', expiresAt: future });
  await source.post('/removeUserSubscription', { groupId: 1, username: 'sara' });
  await source.post('/deleteServiceGroup', { id: 3 });
};
/** The target's own groups 1 to 3, with subscribers, an archived group, history, and a service group like the source's. */
const fillTarget = async () => {
  await emptyTables(target);
  await createServiceGroup(target, { name: 'Own' });
  await createServiceGroup(target, { name: 'Family', description: 'other', discount: 12.5 });
  for (const name of ['Own one', 'Own two', 'Own three'])
    await target.createGroup({ name, serviceGroupId: 1 });
  for (const groupId of [1, 2]) await target.post('/subscribe', { groupId, username: 'mina' });
  await target.post('/removeUserSubscription', { username: 'mina', groupId: 2 });
  await target.post('/deleteGroup', { id: 3 });
};
/** All rows that an import may change, by table and key. */
const readTables = async (app: TestApp): Promise<Map<string, Row>> => {
  const rows = await app.sql<{ key: string; row: Row }>(
    `SELECT 'serviceGroup ' || id AS key, to_jsonb(service_groups) AS row FROM service_groups
     UNION ALL SELECT 'group ' || id, group_row(groups) FROM groups
     UNION ALL SELECT 'subscriber ' || group_id || ' ' || username, to_jsonb(subscribers) FROM subscribers
     UNION ALL SELECT 'deletedGroup ' || id, to_jsonb(deleted_groups) FROM deleted_groups
     UNION ALL SELECT concat_ws(' ', 'history', group_id, username), to_jsonb(subscriber_history) - 'id' FROM subscriber_history
     UNION ALL SELECT 'sequence of groups', jsonb_build_array(last_value, is_called) FROM groups_id_seq
     UNION ALL SELECT 'sequence of service groups', jsonb_build_array(last_value, is_called) FROM service_groups_id_seq`,
  );
  return new Map(rows.map(({ key, row }) => [key, row]));
};
const withoutSequences = (rows: Map<string, Row>) =>
  new Map([...rows].filter(([key]) => !key.startsWith('sequence')));
const importEvents = () =>
  target.sql<Row>(
    `SELECT outcome, error_code, target_ids, after FROM audit_events WHERE operation = 'groups import' ORDER BY id`,
  );
const lastEvent = async () => (await importEvents()).at(-1)!;
const importNew = async (...options: string[]) => {
  const { code, stdout, stderr } = await here.run(
    'groups',
    'import',
    file,
    '--new-ids',
    '--json',
    ...options,
  );
  expect([code, stderr]).toStrictEqual([0, '']);
  return JSON.parse(stdout) as { newIds: IdsByKind; isDryRun: boolean } & Row;
};
const counts = (added: number, unchanged = 0) => ({ added, restored: 0, unchanged });
const editFile = async (edit: (lines: Row[]) => Row[]) => {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  const edited = edit(lines.map((line) => JSON.parse(line)));
  await writeFile(file, edited.map((line) => `${JSON.stringify(line)}\n`).join(''));
};

beforeEach(async () => {
  await fillSource();
  await fillTarget();
  expect(await there.run('groups', 'export', file, '--force')).toMatchObject({ code: 0 });
});

describe('an import with --new-ids', () => {
  test('gives groups, deleted groups and service groups new ids, and references follow; existing rows stay unchanged', async () => {
    const before = withoutSequences(await readTables(target));
    const result = await importNew();

    expect(result).toStrictEqual({
      serviceGroups: counts(2),
      groups: counts(2),
      subscribers: counts(3),
      deletedGroups: counts(2),
      formerSubscribers: counts(2),
      newIdCounts: { serviceGroups: 2, groups: 2, deletedGroups: 2 },
      isDryRun: false,
      newIds: {
        serviceGroups: { 1: 3, 2: 4 },
        groups: { 1: 4, 2: 5 },
        deletedGroups: { 3: 6, 4: 7 },
      },
    });
    const expected = new Map(before);
    const { newIds } = result;
    for (const [key, row] of withoutSequences(await readTables(source))) {
      const [kind, oldId, ...rest] = key.split(' ');
      const id =
        kind === 'serviceGroup'
          ? newIds.serviceGroups[oldId!]!
          : { ...newIds.groups, ...newIds.deletedGroups }[oldId!]!;
      const withServiceGroup = (group: Row) => ({
        ...group,
        id,
        // The service group of the last deleted group does not exist any more.
        service_group_id: newIds.serviceGroups[group['service_group_id']] ?? null,
      });
      const copy = {
        serviceGroup: () => ({ ...row, id }),
        group: () => withServiceGroup(row),
        subscriber: () => ({ ...row, group_id: id }),
        history: () => ({ ...row, group_id: id }),
        deletedGroup: () => ({ ...row, id, group_row: withServiceGroup(row['group_row']) }),
      }[kind!]!();
      expected.set([kind, id, ...rest].join(' '), copy);
    }
    const after = withoutSequences(await readTables(target));
    expect(after).toStrictEqual(expected);
    expect(after.size).toBe(before.size + 2 + 2 + 3 + 2 + 2);

    const { isDryRun, newIds: _newIds, ...outcome } = result;
    expect(isDryRun).toBe(false);
    expect(await lastEvent()).toStrictEqual({
      outcome: 'done',
      error_code: null,
      target_ids: [],
      after: outcome,
    });
    // Later groups get later ids, and an imported archived group can be restored with its service group.
    expect([await target.createGroup(), await createServiceGroup(target, { name: 'n' })]).toStrictEqual([
      8, 5,
    ]);
    const restored = await target.graphql(
      'mutation { restoreGroup(id: 6) { name serviceGroup { id name } } }',
    );
    expect(restored.body.data.restoreGroup).toStrictEqual({
      name: 'Three',
      serviceGroup: { id: 3, name: 'Family' },
    });
  });

  test('reuses the service group with the same fields and the lowest id; one that differs in any field is not reused', async () => {
    const family = { name: 'Family', description: 'shared', discount: 12.5 };
    for (const change of [{ language: 'English' }, { discount: 12 }, {}, {}])
      await createServiceGroup(target, { ...family, ...change });
    const before = await target.sql('SELECT * FROM service_groups ORDER BY id');
    const result = await importNew();
    expect(result).toMatchObject({
      serviceGroups: counts(1, 1),
      newIdCounts: { serviceGroups: 1 },
      newIds: { serviceGroups: { 1: 5, 2: 7 } },
    });
    expect(await target.sql('SELECT * FROM service_groups WHERE id < 7 ORDER BY id')).toStrictEqual(before);
    const [archived] = await target.sql(
      `SELECT group_row -> 'service_group_id' AS id FROM deleted_groups WHERE id = 6`,
    );
    expect(archived).toStrictEqual({ id: 5 });
  });

  test('a second import of the file adds the groups again with further ids, and reuses the service groups', async () => {
    await importNew();
    expect(await importNew()).toMatchObject({
      serviceGroups: counts(0, 2),
      groups: counts(2),
      newIds: {
        serviceGroups: { 1: 3, 2: 4 },
        groups: { 1: 8, 2: 9 },
        deletedGroups: { 3: 10, 4: 11 },
      },
    });
  });

  test('uses no id of an existing, archived or purged group, nor of a former subscription, even if the sequence is lower', async () => {
    await target.sql(
      `UPDATE deleted_groups SET id = 50, group_row = group_row || '{"id":50}';
       INSERT INTO subscriber_history (group_id, username, starts_at) VALUES (70, 'u', now());
       SELECT setval('groups_id_seq', 1)`,
    );
    expect((await importNew()).newIds.groups).toStrictEqual({ 1: 71, 2: 72 });
    await target.sql(`SELECT setval('groups_id_seq', 100)`);
    expect((await importNew()).newIds.groups).toStrictEqual({ 1: 101, 2: 102 });
  });

  test('keeps the unchanged samples of a trial server, which an import with the same ids removes', async () => {
    const trial = await openTestApp({ SAMPLE_DATA: true });
    try {
      const { code, stdout } = await createCommandLine(() => trial).run(
        'groups',
        'import',
        file,
        '--new-ids',
        '--json',
      );
      expect([code, JSON.parse(stdout)]).toMatchObject([0, { newIds: { groups: { 1: 6, 2: 7 } } }]);
      expect(JSON.parse(stdout)).not.toHaveProperty('samplesRemoved');
      const groups = await trial.sql('SELECT name FROM groups ORDER BY id');
      expect(groups.map(({ name }) => name)).toStrictEqual([
        'Trial',
        'One month',
        'One year',
        'Family year',
        'Static address',
        'One',
        'Two',
      ]);
    } finally {
      await trial.close();
    }
  });

  test('references across batches follow, by a few statements for thousands of groups', async () => {
    await source.sql(
      `TRUNCATE groups, service_groups, subscribers, subscriber_history, deleted_groups RESTART IDENTITY;
       INSERT INTO service_groups (name) SELECT 'Set ' || n FROM generate_series(1, 1500) n;
       INSERT INTO groups (name, tag_name, duration, price, service_group_id)
       SELECT 'Plan ' || n, 't', n, 1, 1 + n % 1500 FROM generate_series(1, 3500) n;
       INSERT INTO subscribers (group_id, username) SELECT n, 'user ' || n FROM generate_series(1, 3500) n;
       DELETE FROM subscribers WHERE group_id % 2 = 0; DELETE FROM groups WHERE id % 2 = 0`,
    );
    expect(await there.run('groups', 'export', file, '--force')).toMatchObject({ code: 0 });
    const { newIds } = await importNew();
    expect(Object.keys(newIds.groups)).toHaveLength(1750);
    const wrong = await target.sql(
      `SELECT groups.id FROM groups JOIN service_groups ON service_groups.id = service_group_id
         JOIN subscribers ON group_id = groups.id
       WHERE groups.name LIKE 'Plan %' AND (service_groups.name <> 'Set ' || (1 + duration % 1500)
         OR username <> 'user ' || duration OR groups.id <> ($1::jsonb ->> duration::text)::int)`,
      [JSON.stringify(newIds.groups)],
    );
    expect(wrong).toStrictEqual([]);
    expect(
      await target.sql(`SELECT count(*)::int FROM subscribers WHERE username LIKE 'user %'`),
    ).toStrictEqual([{ count: 1750 }]);
  });
});

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
    await emptyTables(source);
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
    const args = ['groups', 'import', '-', '--new-ids', '--map', join(folder, 'ended.csv')];
    const child = spawn(process.execPath, [bin, ...args], {
      cwd,
      env: { PATH: process.env['PATH'], DATABASE_URL: target.url },
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    // The file up to the last deleted group: the records before it are in an open transaction.
    child.stdin.write(text.slice(0, text.indexOf('{"kind":"formerSubscriber"')));
    const isImporting = async () =>
      (
        await target.sql(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'
             AND query LIKE '%INSERT INTO subscribers%'`,
        )
      ).length > 0;
    await waitUntil(isImporting);
    child.kill('SIGTERM');
    const [code] = await once(child, 'close');
    await waitUntil(async () => !(await isImporting()));
    expect([code, stderr]).toStrictEqual([1, 'group-api: Aborted; nothing was changed\n']);
    expect(await readTables(target)).toStrictEqual(before);
    expect(await importEvents()).toStrictEqual(events);
    expect(await readdir(folder)).toEqual(expect.not.arrayContaining([expect.stringContaining('ended.csv')]));
  });
});
