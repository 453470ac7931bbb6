import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { openDatabase, type Database } from '../../src/database/database.ts';
import { loadSampleData } from '../../src/groups/sample-groups.ts';
import { createLogger } from '../../src/process/logger.ts';
import { createCommandLine } from '../support/command-line.ts';
import { openTestApp, useTestApp } from '../support/test-app.ts';
import { useTestFolder } from '../support/test-folder.ts';
import { emptyTables } from '../support/transfer.ts';

/** The operator's server, and a new server with its sample groups. */
let samplesLoader: Database;
// Before the database that it is connected to is dropped.
afterAll(() => samplesLoader.close());
const operator = useTestApp();
const fresh = useTestApp({ SAMPLE_DATA: true });
const folder = useTestFolder();
const file = join(folder, 'plans.ndjson');
const there = createCommandLine(() => operator);
const here = createCommandLine(() => fresh);

beforeAll(async () => {
  samplesLoader = await openDatabase(
    { url: fresh.url, dataDir: '', poolSize: 1 },
    await createLogger('silent', false),
  );
});
beforeEach(async () => {
  // As a new server is.
  await fresh.sql(`${emptyTables};
    SET session_replication_role = replica; TRUNCATE audit_events RESTART IDENTITY; SET session_replication_role = origin`);
  await loadSampleData(samplesLoader.prisma);
});

/** Creates a service group, three groups of which one has a subscriber, and a deleted group. */
const fill = async () => {
  await operator.sql(emptyTables);
  const { body } = await operator.post('/createServiceGroup', { serviceGroup: { name: 'Ours' } });
  const serviceGroupId = body.data.createServiceGroup.id;
  for (const name of ['One', 'Two', 'Three', 'Four']) await operator.createGroup({ name, serviceGroupId });
  await operator.post('/subscribe', { username: 'mina', groupId: 2 });
  await operator.post('/deleteGroup', { id: 4 });
};
const exportFrom = async (from: typeof here, ...options: string[]) => {
  expect(await from.run('groups', 'export', file, '--force', ...options)).toMatchObject({
    code: 0,
    stderr: '',
  });
  return (await readFile(file, 'utf8')).replace(/"exportedAt":"[^"]+"/, '');
};
const importHere = async (...options: string[]) => {
  const { code, stdout, stderr } = await here.run('groups', 'import', file, '--json', ...options);
  expect([code, stderr]).toStrictEqual([0, '']);
  return JSON.parse(stdout);
};
const added = (count: number) => ({ added: count, restored: 0, unchanged: 0 });
const unchanged = (count: number) => ({ added: 0, restored: 0, unchanged: count });
const ids = async () =>
  (await fresh.sql<{ id: number }>('SELECT id FROM groups ORDER BY id')).map(({ id }) => id);
const names = async () =>
  (await fresh.sql<{ name: string }>('SELECT name FROM groups ORDER BY id')).map(({ name }) => name);
const samples = ['Trial', 'One month', 'One year', 'Family year', 'Static address'];

describe('an import into a server with its sample groups', () => {
  test('an import replaces the sample groups with the exported state; the audit has the replaced rows', async () => {
    await fill();
    const exported = await exportFrom(there);
    const dryRun = await importHere('--dry-run');
    expect(await names()).toStrictEqual(samples);

    const counts = await importHere();
    expect(counts).toStrictEqual({
      serviceGroups: added(1),
      groups: added(3),
      subscribers: added(1),
      deletedGroups: added(1),
      formerSubscribers: added(0),
      samplesRemoved: { serviceGroups: 2, groups: 5, deletedGroups: 0 },
      isDryRun: false,
    });
    expect(dryRun).toStrictEqual({ ...counts, isDryRun: true });
    expect(await importHere()).toStrictEqual({
      serviceGroups: unchanged(1),
      groups: unchanged(3),
      subscribers: unchanged(1),
      deletedGroups: unchanged(1),
      formerSubscribers: unchanged(0),
      isDryRun: false,
    });
    // The ids of the sample groups are not reused.
    expect(await fresh.createGroup()).toBe(6);
    await fresh.post('/deleteGroup', { id: 6 });
    await fresh.post('/purgeDeletedGroup', { id: 6 });
    expect((await exportFrom(here)).split('\n').slice(1)).toStrictEqual(exported.split('\n').slice(1));

    const [dry, done, again] = await fresh.sql<{ before: { samples: Record<string, object[]> } | null }>(
      `SELECT outcome, target_ids, before, after FROM audit_events WHERE operation = 'groups import' ORDER BY id`,
    );
    const { isDryRun, ...after } = counts;
    expect(isDryRun).toBe(false);
    expect(done).toMatchObject({ outcome: 'done', target_ids: ['1', '2', '3', '4', '5'], after });
    const { serviceGroups, groups, deletedGroups } = done!.before!.samples;
    expect(groups!.map((row) => (row as { name: string }).name)).toStrictEqual(samples);
    expect(groups![1]).toMatchObject({ id: 2, price: '9.9000', tag_name: 'monthly', version: 1 });
    expect(serviceGroups).toMatchObject([{ name: 'Personal' }, { name: 'Family' }]);
    expect(deletedGroups).toStrictEqual([]);
    expect(dry).toMatchObject({ outcome: 'dry-run', before: done!.before });
    expect(again).toMatchObject({ outcome: 'done', target_ids: [], before: null });
  });

  test('an import replaces deleted sample groups in the archive', async () => {
    await fill();
    await exportFrom(there);
    for (const id of [1, 2, 4]) expect((await fresh.post('/deleteGroup', { id })).status).toBe(200);
    const { stdout, code } = await here.run('groups', 'import', file);
    expect(code).toBe(0);
    expect(stdout).toContain('unchanged sample data removed: 2 service groups, 2 groups, 3 deleted groups');
    expect(await names()).toStrictEqual(['One', 'Two', 'Three']);
    expect(await fresh.sql(`SELECT id, group_row ->> 'name' AS name FROM deleted_groups`)).toStrictEqual([
      { id: 4, name: 'Four' },
    ]);
  });

  test("an import replaces the sample groups with those of another server; an import of the server's export changes nothing", async () => {
    const other = await openTestApp({ SAMPLE_DATA: true });
    try {
      await other.sql(`UPDATE groups SET created_at = '2020-01-01Z', updated_at = '2020-01-01Z'`);
      await other.post('/deleteGroup', { id: 5 });
      const exported = await exportFrom(createCommandLine(() => other));
      expect(await importHere()).toMatchObject({
        serviceGroups: unchanged(2),
        groups: added(4),
        deletedGroups: added(1),
      });
      expect(await exportFrom(here)).toBe(exported);
      const again = await importHere();
      expect(again).toMatchObject({ groups: unchanged(4), deletedGroups: unchanged(1) });
      expect(again).not.toHaveProperty('samplesRemoved');
    } finally {
      await other.close();
    }
  });

  test('an import of a partial export keeps the sample groups that do not conflict with it', async () => {
    await fresh.createGroup({ name: 'Own' });
    await exportFrom(here, '--id', '3', '--id', '6');
    for (const id of [3, 6]) await fresh.post('/deleteGroup', { id });
    expect(await importHere()).not.toHaveProperty('samplesRemoved');
    expect(await names()).toStrictEqual([...samples, 'Own']);

    await fill();
    await exportFrom(there, '--id', '2');
    expect(await importHere()).toMatchObject({
      samplesRemoved: { serviceGroups: 2, groups: 5, deletedGroups: 0 },
    });
    expect(await names()).toStrictEqual(['Two', 'Own']);
  });
});

describe('an import replaces unchanged sample groups only', () => {
  const refused = async () => {
    const before = await fresh.sql('SELECT group_row(groups) FROM groups ORDER BY id');
    const { code, stderr } = await here.run('groups', 'import', file, '--json');
    expect(await fresh.sql('SELECT group_row(groups) FROM groups ORDER BY id')).toStrictEqual(before);
    const { error } = JSON.parse(stderr);
    return [code, error.code, error.records];
  };
  /** Two groups without a service group. */
  const exportPlain = async () => {
    await operator.sql(emptyTables);
    for (const name of ['One', 'Two']) await operator.createGroup({ name });
    await exportFrom(there);
  };
  const isInTheWay = (id: number, outcome = 'differs') => [
    1,
    'ALREADY_EXISTS',
    [{ kind: 'group', id, outcome }],
  ];

  test.each<[string, () => Promise<unknown>]>([
    ['that was edited', () => fresh.post('/editGroup', { id: 2, group: { price: '9.91' } })],
    [
      'that was edited and then edited back',
      async () => {
        for (const price of ['9.91', '9.90']) await fresh.post('/editGroup', { id: 2, group: { price } });
      },
    ],
    ['that has a subscriber', () => fresh.post('/subscribe', { username: 'ali', groupId: 2 })],
    [
      'that had a subscriber',
      async () => {
        await fresh.post('/subscribe', { username: 'ali', groupId: 2 });
        await fresh.post('/removeUserSubscription', { username: 'ali', groupId: 2 });
      },
    ],
  ])('an import keeps a sample group %s', async (_what, change) => {
    await exportPlain();
    await change();
    expect(await refused()).toStrictEqual(isInTheWay(2));
  });

  test('an import keeps a sample group in the archive that was edited and then deleted', async () => {
    await exportPlain();
    await fresh.post('/editGroup', { id: 2, group: { name: 'Mine' } });
    await fresh.post('/deleteGroup', { id: 2 });
    expect(await refused()).toStrictEqual(isInTheWay(2, 'archived'));
  });

  test("an import keeps an operator's group, even with the id and content of a sample group", async () => {
    await exportPlain();
    const { body } = await fresh.graphql(
      '{ group(id: 1) { name description tagName duration price dailyBandwidth downloadUpload ip } }',
    );
    await fresh.sql(emptyTables);
    expect(await fresh.createGroup(body.data.group)).toBe(1);
    expect(await refused()).toStrictEqual(isInTheWay(1));
  });

  test("an import keeps a sample service group that has an operator's group, live or deleted", async () => {
    await exportPlain();
    const kept = await fresh.createGroup({ name: 'Kept', serviceGroupId: 1 });
    const deleted = await fresh.createGroup({ name: 'Deleted', serviceGroupId: 2 });
    await fresh.post('/deleteGroup', { id: deleted });
    expect(await importHere()).toMatchObject({
      samplesRemoved: { serviceGroups: 0, groups: 5, deletedGroups: 0 },
    });
    expect(await ids()).toStrictEqual([1, 2, kept]);
    expect(await fresh.sql('SELECT name FROM service_groups ORDER BY id')).toStrictEqual([
      { name: 'Personal' },
      { name: 'Family' },
    ]);
  });
});

describe('the lines of an import file', () => {
  const edit = async (change: (lines: string[]) => string) => {
    await fill();
    await exportFrom(there);
    await writeFile(file, change((await readFile(file, 'utf8')).trimEnd().split('\n')));
  };

  test.each<[string, (lines: string[]) => string]>([
    ['a blank line at the end', (lines) => `${lines.join('\n')}\n\n`],
    ['blank lines before, between and after', (lines) => `\n \n${lines.join('\n\t\n\n')}\n   \n`],
    ['the line breaks of Windows', (lines) => `${lines.join('\r\n')}\r\n\r\n`],
    ['a byte order mark', (lines) => `\ufeff${lines.join('\n')}\n`],
    ['a byte order mark on a line of its own', (lines) => `\ufeff\r\n${lines.join('\r\n')}`],
  ])('an import file may have %s', async (_what, change) => {
    await edit(change);
    expect(await importHere()).toMatchObject({
      groups: added(3),
      subscribers: added(1),
      deletedGroups: added(1),
    });
  });

  test.each<[string, (lines: string[]) => string, string]>([
    [
      'a wrong record',
      ([header, ...rest]) => [header, '', ' \r', '{"kind":"x"}', ...rest].join('\n'),
      'Line 4: kind must be',
    ],
    ['a missing end', (lines) => lines.slice(0, -1).join('\n\n'), 'Line 14: the file is truncated'],
    [
      'more than the end',
      (lines) => [...lines, '', lines[0]].join('\n'),
      'Line 10: the footer must be the last line',
    ],
    ['no header', ([, ...rest]) => ['', ...rest].join('\n'), 'Line 2: the header must be the first line'],
  ])('line numbers in import errors count blank lines: %s', async (_what, change, message) => {
    await edit(change);
    const { code, stderr } = await here.run('groups', 'import', file);
    expect([code, stderr]).toStrictEqual([1, expect.stringContaining(message)]);
  });
});
