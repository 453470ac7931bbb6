import { describe, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { useNewIdsImport, type Row } from '../support/new-ids.ts';
import { openTestApp } from '../support/test-app.ts';
import { counts } from '../support/transfer.ts';

const {
  source,
  target,
  file,
  there,
  createServiceGroup,
  readTables,
  withoutSequences,
  lastEvent,
  importNew,
} = useNewIdsImport();

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
