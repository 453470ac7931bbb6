import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { useTransferSource } from '../support/transfer-source.ts';
import { counts, importEvents, readTables } from '../support/transfer.ts';

const { app, ids, file, here, exportAgain, readLines } = useTransferSource();

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
    let other: TestDatabase;
    const there = createCommandLine(() => other);
    const withoutTime = (text: string) => text.replace(/"exportedAt":"[^"]+"/, '');
    beforeEach(async () => {
      other = await createTestDatabase();
      await exportAgain();
    });
    afterEach(() => other.drop());
    const exportThere = async () => (await there.run('groups', 'export')).stdout;

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
    });

    test('an import with --dry-run changes nothing but adds a marked audit event', async () => {
      const before = await readTables(other);
      const { code, stdout } = await there.run('groups', 'import', file, '--dry-run');
      expect([code, stdout]).toStrictEqual([0, expect.stringMatching(/^Dry run[^]*groups: 2 added/)]);
      expect(await readTables(other)).toStrictEqual(before);
      expect(await importEvents(other)).toMatchObject([{ outcome: 'dry-run', after: { groups: counts(2) } }]);
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
    });
  });
});
