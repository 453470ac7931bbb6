import { readFile, readdir, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { future } from '../support/probes.ts';
import { useTestApp, type Json } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { useTestFolder } from '../support/test-folder.ts';
import { emptyTables, importEvents, readTables } from '../support/transfer.ts';

const app = useTestApp();
let other: TestDatabase;
const folder = useTestFolder();
const file = join(folder, 'plans.ndjson');

const here = createCommandLine(() => app);
const there = createCommandLine(() => other);

const readLines = async (path = file) => (await readFile(path, 'utf8')).trimEnd().split('\n');
const withoutTime = (text: string) => text.replace(/"exportedAt":"[^"]+"/, '');
const counts = (added = 0, unchanged = 0, restored = 0) => ({ added, restored, unchanged });

/**
 * Creates a service group with two groups, of which one is deleted, and a group without one; each live group has a
 * subscriber.
 */
const fill = async () => {
  await app.sql(emptyTables);
  const serviceGroup = { name: 'Family', description: 'd', language: 'فارسی', discount: 12.345 };
  const { body } = await app.post('/createServiceGroup', { serviceGroup });
  const serviceGroupId = body.data.createServiceGroup.id;
  const ids = {
    full: await app.createGroup({
      name: 'Full "quoted" \\ ',
      description: 'گروه 🎁',
      price: '123456789012.3457',
      usernamePostfix: '@full',
      usernamePostfixId: 'f1',
      dailyBandwidth: '10GB',
      multiLoginCount: 3,
      downloadUpload: '100/100',
      ip: '2001:db8::/32',
      serviceGroupId,
      hidden: true,
      protected: true,
    }),
    plain: await app.createGroup(),
    deleted: await app.createGroup({ name: 'Deleted', serviceGroupId }),
    purged: await app.createGroup(),
  };
  await app.post('/editGroup', { id: ids.full, group: { duration: 31 } });
  await app.post('/subscribe', { groupId: ids.full, username: 'علی', expiresAt: future });
  await app.post('/subscribe', { groupId: ids.full, username: 'Zoë' });
  await app.sql(`INSERT INTO subscribers VALUES ($1, 'ended', '0001-01-01Z', '2020-01-01Z')`, [ids.plain]);
  for (const id of [ids.deleted, ids.purged]) await app.post('/deleteGroup', { id, reason: 'why' });
  await app.post('/purgeDeletedGroup', { id: ids.purged });
  return { serviceGroupId, ...ids };
};
let ids: Awaited<ReturnType<typeof fill>>;

const exportAgain = async (...options: string[]) => {
  const answer = await here.run('groups', 'export', file, '--force', ...options);
  expect(answer).toMatchObject({ code: 0, stderr: '' });
};

beforeEach(async () => {
  ids = await fill();
});

describe('export', () => {
  test("an export has all fields under the API's names, ordered by key, between a header and the counts", async () => {
    await exportAgain();
    const lines = (await readLines()).map((line) => JSON.parse(line));
    const { full, plain, deleted, purged, serviceGroupId } = ids;
    expect(
      lines.map(({ kind, id, groupId, username, group }) => [kind, id ?? groupId ?? group?.id, username]),
    ).toEqual([
      ['header', undefined, undefined],
      ['serviceGroup', serviceGroupId, undefined],
      ['group', full, undefined],
      ['group', plain, undefined],
      ['subscriber', full, 'Zoë'],
      ['subscriber', full, 'علی'],
      ['subscriber', plain, 'ended'],
      ['deletedGroup', deleted, undefined],
      ['end', undefined, undefined],
    ]);
    expect(lines[0]).toStrictEqual({
      kind: 'header',
      format: 'group-api export',
      version: 1,
      exportedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      lastIds: { serviceGroup: serviceGroupId, group: purged },
    });
    expect(lines[1]).toStrictEqual({
      kind: 'serviceGroup',
      id: serviceGroupId,
      name: 'Family',
      description: 'd',
      language: 'فارسی',
      discount: 12.345,
    });
    const fields = `name description tagName duration price usernamePostfix usernamePostfixId dailyBandwidth multiLoginCount downloadUpload
      ip hidden protected version createdAt updatedAt`;
    const { body } = await app.graphql(`{ group(id: ${full}) { id ${fields} } }`);
    expect(lines[2]).toStrictEqual({ kind: 'group', ...body.data.group, serviceGroupId });
    expect(lines[6]).toStrictEqual({
      kind: 'subscriber',
      groupId: plain,
      username: 'ended',
      startsAt: '0001-01-01T00:00:00.000Z',
      expiresAt: '2020-01-01T00:00:00.000Z',
    });
    const archived = await app.graphql(
      `{ deletedGroup(id: ${deleted}) { group { id ${fields} } deletedAt deletedBy reason purgeAt subscribersMoved } }`,
    );
    const { group, ...rest } = archived.body.data.deletedGroup;
    expect(lines[7]).toStrictEqual({ kind: 'deletedGroup', group: { ...group, serviceGroupId }, ...rest });
    expect(lines[8]).toStrictEqual({
      kind: 'end',
      serviceGroups: 1,
      groups: 2,
      subscribers: 3,
      deletedGroups: 1,
      formerSubscribers: 0,
    });
  });

  test('an export of some ids has only these groups with their subscribers, service groups and archive', async () => {
    await exportAgain('--id', String(ids.plain), '--id', String(ids.plain));
    expect((await readLines()).map((line) => JSON.parse(line).kind)).toStrictEqual([
      'header',
      'group',
      'subscriber',
      'end',
    ]);
    await exportAgain('--id', String(ids.deleted));
    expect((await readLines()).map((line) => JSON.parse(line).kind)).toStrictEqual([
      'header',
      'serviceGroup',
      'deletedGroup',
      'end',
    ]);
    const { code, stdout, stderr } = await here.run('groups', 'export', '--id', `${ids.plain},2000000000`);
    expect([code, stdout, stderr]).toStrictEqual([
      1,
      '',
      'group-api: 1 of the ids belong to no group, live or deleted: 2000000000 (NOT_FOUND)\n',
    ]);
    // Not all groups.
    expect(await here.run('groups', 'export', '--id', '')).toStrictEqual({
      code: 1,
      stdout: '',
      stderr: 'group-api: --id requires at least one group id\n',
    });
  });

  test('an export writes a complete file that only its owner can read; an existing file is kept without --force', async () => {
    const path = join(folder, 'own.ndjson');
    const answer = await here.run('groups', 'export', path, '--json');
    expect(JSON.parse(answer.stdout)).toStrictEqual({
      file: path,
      serviceGroups: 1,
      groups: 2,
      subscribers: 3,
      deletedGroups: 1,
      formerSubscribers: 0,
    });
    expect((await stat(path)).mode & 0o777).toBe(0o600);

    const before = await readFile(path, 'utf8');
    await app.createGroup();
    expect(await here.run('groups', 'export', path)).toStrictEqual({
      code: 1,
      stdout: '',
      stderr: `group-api: ${path} already exists: choose another name, or pass --force\n`,
    });
    await here.run('groups', 'export', path, '--force', '--id', '2000000000');
    expect(await readFile(path, 'utf8')).toBe(before);
    await here.run('groups', 'export', path, '--force');
    expect((await readLines(path)).length).toBe(before.trimEnd().split('\n').length + 1);

    expect((await here.run('groups', 'export', folder)).stderr).toContain('is not a regular file');
    expect((await here.run('groups', 'export', join(folder, 'no/where'))).stderr).toContain('Cannot write ');
    expect(await readdir(folder)).toEqual(
      expect.not.arrayContaining([expect.stringContaining('unfinished')]),
    );
  });

  test('an export to a symbolic link writes the target and keeps the link', async () => {
    const link = join(folder, 'link.ndjson');
    await symlink(file, link);
    const answer = await here.run('groups', 'export', link, '--force');
    expect(answer.code).toBe(0);
    expect(await readlink(link)).toBe(file);
    expect(JSON.parse((await readLines(file)).at(-1)!)).toMatchObject({ kind: 'end', groups: 2 });
  });

  test('an export rejects values that its format cannot represent', async () => {
    await app.sql(`UPDATE deleted_groups SET purge_at = 'infinity'`);
    const { code, stderr } = await here.run('groups', 'export', join(folder, 'infinite.ndjson'));
    expect([code, stderr]).toStrictEqual([
      1,
      expect.stringContaining('purgeAt is a date that cannot be exported: change it, then export again'),
    ]);
    expect(await readdir(folder)).not.toContain('infinite.ndjson');
  });

  test('an export changes no group and adds no audit event', async () => {
    const before = [await readTables(app), await app.sql('SELECT * FROM audit_events ORDER BY id')];
    expect((await here.run('groups', 'export', '-')).code).toBe(0);
    expect([await readTables(app), await app.sql('SELECT * FROM audit_events ORDER BY id')]).toStrictEqual(
      before,
    );
  });
});

describe('import', () => {
  test('an import after a delete restores the exported state', async () => {
    await app.post('/editGroup', { id: ids.full, group: { protected: false } });
    const { full, plain } = ids;
    await exportAgain();
    const before = await readTables(app);
    await app.sql('UPDATE subscribers SET expires_at = $1 WHERE group_id = $2', [
      new Date('9999-01-01Z'),
      full,
    ]);
    await app.sql('DELETE FROM subscribers WHERE group_id = $1', [full]);
    const deleted = await here.run('groups', 'delete', String(full), String(plain), '--yes');
    expect(deleted.code).toBe(0);
    expect(await app.sql('SELECT FROM groups')).toStrictEqual([]);

    const answer = await here.run('groups', 'import', file, '--json');

    const expected = {
      serviceGroups: counts(0, 1),
      groups: counts(0, 0, 2),
      subscribers: counts(3),
      deletedGroups: counts(0, 1),
      formerSubscribers: counts(),
    };
    expect([answer.code, answer.stderr]).toStrictEqual([0, '']);
    expect(JSON.parse(answer.stdout)).toStrictEqual({ ...expected, isDryRun: false });
    expect(await readTables(app)).toStrictEqual(before);
    expect((await importEvents(app)).at(-1)).toStrictEqual({
      account: expect.stringMatching(/^command-line:/),
      credential: 'command-line',
      target_ids: [],
      outcome: 'done',
      error_code: null,
      before: null,
      after: expected,
    });
  });

  test('an import ignores expired rows of the archive', async () => {
    await exportAgain();
    await app.sql('DELETE FROM subscribers');
    await app.post('/deleteGroup', { id: ids.plain });
    await app.sql(
      `UPDATE deleted_groups SET purge_at = now() - interval '1 second', group_row = group_row || '{"name":"x"}'`,
    );
    const { code, stdout, stderr } = await here.run('groups', 'import', file, '--json');
    expect([code, stderr]).toStrictEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({ groups: counts(1, 1), deletedGroups: counts(1) });
    expect(await app.sql('SELECT id, group_row ->> $1 AS name FROM deleted_groups', ['name'])).toStrictEqual([
      { id: ids.deleted, name: 'Deleted' },
    ]);
  });

  test('an import accepts any name of the deleting account', async () => {
    await app.sql(`UPDATE deleted_groups SET deleted_by = 'cafe' || chr(769) || ' '`);
    await exportAgain();
    const { stdout } = await here.run('groups', 'import', file, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ deletedGroups: counts(0, 1) });
  });

  describe('into an empty database', () => {
    beforeEach(async () => {
      other = await createTestDatabase();
      await exportAgain();
    });
    const exportThere = async () => (await there.run('groups', 'export')).stdout;
    const close = () => other.drop();

    test('an import creates a database that exports the same bytes and never reuses an id; a second import changes nothing', async () => {
      expect((await there.run('groups', 'import', file)).stdout).toBe(
        [
          'service groups: 1 added, 0 unchanged',
          'groups: 2 added, 0 restored, 0 unchanged',
          'subscribers: 3 added, 0 unchanged',
          'deleted groups: 1 added, 0 unchanged',
          'former subscribers: 0 added, 0 unchanged\n',
        ].join('\n'),
      );
      const original = await readFile(file, 'utf8');
      expect(withoutTime(await exportThere())).toBe(withoutTime(original));

      const state = await readTables(other);
      const again = await there.runWith(original, 'groups', 'import', '-', '--json');
      expect(JSON.parse(again.stdout)).toStrictEqual({
        serviceGroups: counts(0, 1),
        groups: counts(0, 2),
        subscribers: counts(0, 3),
        deletedGroups: counts(0, 1),
        formerSubscribers: counts(),
        isDryRun: false,
      });
      expect(await readTables(other)).toStrictEqual(state);
      const [made] = await other.sql<{ id: number }>(
        `INSERT INTO groups (name, tag_name, duration, price) VALUES ('n', 't', 1, 1) RETURNING id`,
      );
      expect(made!.id).toBe(ids.purged + 1);
      await close();
    });

    test('an import with --dry-run changes nothing but adds a marked audit event', async () => {
      const before = await readTables(other);
      const { code, stdout } = await there.run('groups', 'import', file, '--dry-run');
      expect([code, stdout]).toStrictEqual([0, expect.stringMatching(/^Dry run[^]*groups: 2 added/)]);
      expect(await readTables(other)).toStrictEqual(before);
      expect(await importEvents(other)).toMatchObject([{ outcome: 'dry-run', after: { groups: counts(2) } }]);
      await close();
    });

    test.each([
      ['groups', 1],
      ['a half of a line', 0.5],
      ['nothing but the header', 0.02],
      ['nothing', 0],
    ])('an import of a truncated file changes nothing: %s', async (_what, share) => {
      const before = await readTables(other);
      const lines = await readLines();
      const whole = lines.slice(0, -1).join('\n');
      const cut = share === 1 ? whole : whole.slice(0, Math.floor(whole.length * share));
      const { code, stderr } = await there.runWith(cut, 'groups', 'import', '-');
      expect(code).toBe(1);
      expect(stderr).toMatch(/Line \d+: (the file is truncated|not a JSON object)/);
      expect(await readTables(other)).toStrictEqual(before);
      expect(await importEvents(other)).toMatchObject([{ outcome: 'refused', error_code: 'BAD_USER_INPUT' }]);
      await close();
    });
  });

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
        (lines) =>
          lines.map((line, index) => (index === 3 ? { ...line, id: 1000, serviceGroupId: 99 } : line)),
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
});
