import { writeFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import type { Json } from '../support/test-app.ts';
import { useTransferSource } from '../support/transfer-source.ts';
import { future } from '../support/probes.ts';
import { importEvents, readTables } from '../support/transfer.ts';

const { app, ids, folder, file, here, exportAgain, readLines } = useTransferSource();

describe('rejected imports', () => {
  type Lines = Record<string, Json>[];
  const at = (lines: Lines, kind: string) => lines.findIndex((line) => line['kind'] === kind);
  const change = (kind: string, changes: object) => (lines: Lines) =>
    lines.map((line, index) => (index === at(lines, kind) ? { ...line, ...changes } : line));
  const without = (kind: string) => (lines: Lines) => lines.filter((line) => line['kind'] !== kind);
  const twice = (kind: string) => (lines: Lines) =>
    lines.toSpliced(at(lines, kind), 0, lines[at(lines, kind)]!);
  const cases: [string, (lines: Lines) => Lines, string][] = [
    ['a price', change('group', { price: '-1' }), 'Line 3: group.price must be a decimal such as "29.90"'],
    ['a price as a number', change('group', { price: 9.9 }), 'Line 3: group.price must be a decimal'],
    ['a blank name', change('serviceGroup', { name: ' ' }), 'Line 2: serviceGroup.name must not be blank'],
    ['a null', change('group', { description: null }), 'Line 3: group.description must be a string'],
    ['a field too few', change('group', { tagName: undefined }), 'Line 3: group.tagName is required'],
    [
      'a field too many',
      change('group', { colour: 1 }),
      'Line 3: group.colour is not a field: the fields are',
    ],
    ['an id', change('group', { id: 0 }), 'Line 3: Group id must be a positive integer'],
    [
      'a time',
      change('group', { createdAt: 'today' }),
      'Line 3: group.createdAt must be a date and time such as',
    ],
    [
      'a time of no year',
      change('group', { updatedAt: '2026-02-30T00:00:00.000Z' }),
      'Line 3: group.updatedAt must be',
    ],
    ['a version', change('group', { version: 0 }), 'Line 3: group.version must be a whole number from 1'],
    [
      'a discount',
      change('serviceGroup', { discount: 101 }),
      'Line 2: serviceGroup.discount must be a number from 0 to 100',
    ],
    [
      'an expiry before the start',
      change('subscriber', { expiresAt: '0001-01-01T00:00:00.000Z' }),
      'Line 5: expiresAt must be later',
    ],
    [
      'a control character',
      change('subscriber', { username: 'a\u0000b' }),
      'Line 5: username must not contain control characters',
    ],
    [
      'an archived price',
      (lines) => change('deletedGroup', { group: { ...lines.at(-2)!['group'], price: '' } })(lines),
      'Line 8: group.price must be',
    ],
    [
      'a count of moved subscribers',
      change('deletedGroup', { subscribersMoved: -1 }),
      'Line 8: deletedGroup.subscribersMoved must be',
    ],
    [
      'an unknown kind',
      change('group', { kind: 'plan' }),
      'Line 3: kind must be one of header, serviceGroup, group',
    ],
    ['another format', change('header', { format: 'dump' }), 'Line 1: format must be "group-api export"'],
    [
      'a later version',
      change('header', { version: 2 }),
      'Line 1: version must be 1: this version of group-api supports no other',
    ],
    ['no header', without('header'), 'Line 1: the header must be the first line, and must not be repeated'],
    [
      'a second header',
      twice('header'),
      'Line 2: the header must be the first line, and must not be repeated',
    ],
    ['no end', without('end'), 'the file is truncated: the footer with the record counts is missing'],
    ['a second end', twice('end'), 'Line 10: the footer must be the last line'],
    [
      'too few groups',
      change('end', { groups: 3 }),
      'Line 9: the footer counts 3 groups, but the file has 2',
    ],
    ['a line twice', twice('subscriber'), 'must not come after subscriber "Zoë" of group'],
    [
      'another order',
      (lines) => [lines[0]!, ...lines.slice(1, -1).toReversed(), lines.at(-1)!],
      'must not come after a deletedGroup',
    ],
    [
      'no service group',
      (lines) => lines.map((line, index) => (index === 3 ? { ...line, id: 1000, serviceGroupId: 99 } : line)),
      'Line 4: there is no service group 99, neither in the file nor',
    ],
    [
      'no group',
      change('subscriber', { groupId: 2_000_000 }),
      'must not come after subscriber "Zoë" of group 2000000',
    ],
  ];
  test.each(cases)('an import rejects %s, and changes nothing', async (_what, edit, message) => {
    await exportAgain();
    // The rows that the file would import.
    await app.sql('DELETE FROM subscribers');
    const before = await readTables(app);
    const lines = edit((await readLines()).map((line) => JSON.parse(line)));
    await writeFile(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const { code, stdout, stderr } = await here.run('groups', 'import', file);
    expect([code, stdout, stderr]).toStrictEqual([1, '', expect.stringContaining(message)]);
    expect(stderr).toMatch(/^group-api: .*\. Nothing was imported \(BAD_USER_INPUT\)\n$/);
    expect(await readTables(app)).toStrictEqual(before);
    expect((await importEvents(app)).at(-1)).toMatchObject({
      outcome: 'refused',
      error_code: 'BAD_USER_INPUT',
    });
  });

  test('an import rejects a line that is too long, and one that is not UTF-8; nothing is changed', async () => {
    const long = await here.runWith('x'.repeat(200_000), 'groups', 'import', '-');
    expect(long.stderr).toContain('Line 1: longer than 131072 bytes');
    await writeFile(file, Buffer.from([0x7b, 0xff, 0x0a]));
    expect((await here.run('groups', 'import', file)).stderr).toContain('Line 1: not valid UTF-8');
  });

  test('an import rejects a subscriber of a group that does not exist, and changes nothing', async () => {
    await exportAgain();
    const lines = (await readLines()).map((line) => JSON.parse(line));
    const orphan = { ...lines[6], groupId: 2_000_000 };
    await writeFile(
      file,
      lines
        .toSpliced(6, 1, orphan)
        .map((line) => `${JSON.stringify(line)}\n`)
        .join(''),
    );
    expect((await here.run('groups', 'import', file)).stderr).toContain(
      'Line 7: there is no group 2000000, neither in the file nor in the database',
    );
  });

  test('an import rejects records that differ from live or deleted rows, with their number and the first ten; nothing is changed', async () => {
    const more = [];
    for (let i = 0; i < 8; i++) more.push(await app.createGroup());
    await exportAgain();
    await app.sql('UPDATE service_groups SET discount = 1');
    await app.sql('UPDATE groups SET version = version + 1');
    await app.sql(`UPDATE subscribers SET expires_at = '9000-01-01Z' WHERE username = 'ended'`);
    await app.post('/restoreGroup', { id: ids.deleted });
    await app.post('/deleteGroup', { id: more[0] });
    const before = await readTables(app);

    const { code, stderr } = await here.run('groups', 'import', file, '--json');

    const { error } = JSON.parse(stderr);
    expect([code, error.code, error.count, error.records]).toStrictEqual([
      1,
      'ALREADY_EXISTS',
      13,
      [
        { kind: 'serviceGroup', id: ids.serviceGroupId, outcome: 'differs' },
        { kind: 'group', id: ids.full, outcome: 'differs' },
        { kind: 'group', id: ids.plain, outcome: 'differs' },
        { kind: 'group', id: more[0], outcome: 'archived' },
        ...more.slice(1, 7).map((id) => ({ kind: 'group', id, outcome: 'differs' })),
      ],
    ]);
    expect(error.message).toMatch(
      /^13 records conflict with existing data.*: serviceGroup 1 exists with different content; .*; and 3 more\. Nothing was imported$/,
    );
    expect(await readTables(app)).toStrictEqual(before);
    expect((await importEvents(app)).at(-1)).toMatchObject({
      outcome: 'refused',
      error_code: 'ALREADY_EXISTS',
    });
  });

  test('an import rejects a deleted group whose content in the archive differs, and one that is live; nothing is changed', async () => {
    await exportAgain();
    await app.sql('DELETE FROM subscribers');
    await app.sql('UPDATE groups SET version = 9 WHERE id = $1', [ids.plain]);
    await app.post('/deleteGroup', { id: ids.plain });
    await app.post('/restoreGroup', { id: ids.deleted });
    const before = await readTables(app);
    const { stderr } = await here.run('groups', 'import', file);
    expect(stderr).toBe(
      'group-api: 2 records conflict with existing data, and nothing is overwritten: ' +
        `group ${ids.plain} is deleted, and its archived content is different; deletedGroup ${ids.deleted} exists: it is not deleted. ` +
        'Nothing was imported (ALREADY_EXISTS)\n',
    );
    expect(await readTables(app)).toStrictEqual(before);
  });

  test('an import rejects subscribers of a group that is retired meanwhile, with GROUP_RETIRED; nothing is changed', async () => {
    await app.post('/subscribe', { groupId: ids.plain, username: 'ali' });
    const retired = await app.post('/retireGroup', { id: ids.plain, at: future });
    expect(retired.status).toBe(200);
    await exportAgain();
    expect(await here.run('groups', 'import', file)).toMatchObject({ code: 0, stderr: '' });
    await app.post('/removeUserSubscription', { groupId: ids.plain, username: 'ali' });
    const before = await readTables(app);

    const { code, stderr } = await here.run('groups', 'import', file, '--json');

    const { error } = JSON.parse(stderr);
    const records = [{ kind: 'subscriber', groupId: ids.plain, username: 'ali', outcome: 'retired' }];
    expect([code, error]).toMatchObject([1, { code: 'GROUP_RETIRED', count: 1, records }]);
    expect(error.message).toBe(
      '1 record conflicts with existing data, and nothing is overwritten: ' +
        `subscriber "ali" of group ${ids.plain} would be added to a retired group, which accepts no subscribers: ` +
        'call cancelRetirement first. Nothing was imported',
    );
    expect(await readTables(app)).toStrictEqual(before);
  });

  test.each([
    ['a group', { kind: 'group', id: 2_000_000_001 }, 'group.id must be at most 2000000000'],
    [
      'a header',
      { kind: 'header', lastIds: { serviceGroup: 1, group: 2_000_000_001 } },
      'lastIds.group must',
    ],
  ])(
    'an import rejects an id of %s that would leave none for later groups',
    async (_what, changed, message) => {
      await exportAgain();
      const lines = (await readLines()).map((line) => JSON.parse(line));
      const edited = lines.map((line) => (line.kind === changed.kind ? { ...line, ...changed } : line));
      await writeFile(file, edited.map((line) => `${JSON.stringify(line)}\n`).join(''));
      const before = await readTables(app);
      expect((await here.run('groups', 'import', file)).stderr).toContain(message);
      expect(await readTables(app)).toStrictEqual(before);
    },
  );

  test('an import of a folder is rejected', async () => {
    expect(await here.run('groups', 'import', folder)).toStrictEqual({
      code: 1,
      stdout: '',
      stderr: `group-api: Cannot read ${folder}: is a folder\n`,
    });
  });

  test('an import of a file that does not exist is rejected', async () => {
    expect(await here.run('groups', 'import', '/no/file')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^group-api: Cannot read \/no\/file: /),
    });
  });
});
