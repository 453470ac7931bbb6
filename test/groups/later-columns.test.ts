import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createAutodialerClient } from '../support/autodialer.ts';
import { createCommandLine } from '../support/command-line.ts';
import { useTestApp } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { useTestFolder } from '../support/test-folder.ts';

// Data that was stored before a migration added columns is restored with their defaults, for any columns.

const app = useTestApp();
const folder = useTestFolder();
let other: TestDatabase;

const { addGroup, call, numbersOf } = createAutodialerClient(() => app);
const here = createCommandLine(() => app);
const there = createCommandLine(() => other);

const tables = ['groups', 'service_groups', 'subscribers', 'number_groups', 'deleted_groups'];
const columns = [
  'tier int NOT NULL DEFAULT 3',
  `label text NOT NULL DEFAULT 'it''s; "new"'`,
  'fee numeric(16,4) NOT NULL DEFAULT 123456789012.3457',
  `kinds text[] NOT NULL DEFAULT ARRAY['a', 'b']`,
  'seen_at timestamptz(3) NOT NULL DEFAULT now()',
  'note text',
];
const addColumns = (database: Pick<TestDatabase, 'sql'>) =>
  database.sql(
    tables
      .map((table) => `ALTER TABLE ${table} ${columns.map((column) => `ADD COLUMN ${column}`).join(', ')}`)
      .join(';'),
  );
const dropColumns = (database: Pick<TestDatabase, 'sql'>) =>
  database.sql(
    tables
      .map(
        (table) =>
          `ALTER TABLE ${table} ${columns.map((column) => `DROP COLUMN ${column.split(' ')[0]}`).join(', ')}`,
      )
      .join(';'),
  );
const newColumns = `tier, label, fee::text AS fee, kinds, seen_at <= now() AS is_seen, note`;
const defaults = {
  tier: 3,
  label: `it's; "new"`,
  fee: '123456789012.3457',
  kinds: ['a', 'b'],
  is_seen: true,
  note: null,
};

test('a restored group or number group has the defaults of columns that are newer than the archive', async () => {
  const id = await app.createGroup({ name: 'Old', price: '123456789012.3457' });
  const numberGroupId = await addGroup({ name: 'old', numbers: ['1111', '2222'] });
  await app.post('/deleteGroup', { id });
  await call('remove', { _id: numberGroupId });
  await addColumns(app);
  try {
    const restored = await app.post('/restoreGroup', { id });
    expect([restored.status, restored.body.data?.restoreGroup]).toMatchObject([
      200,
      { id, name: 'Old', price: '123456789012.3457' },
    ]);
    const { code, stderr } = await here.run('number-groups', 'restore', numberGroupId);
    expect([code, stderr]).toStrictEqual([0, '']);
    expect(await numbersOf(numberGroupId)).toStrictEqual(['1111', '2222']);
    for (const [table, key] of [
      ['groups', id],
      ['number_groups', numberGroupId],
    ]) {
      expect(await app.sql(`SELECT ${newColumns} FROM ${table} WHERE id = $1`, [key])).toStrictEqual([
        defaults,
      ]);
    }
  } finally {
    await dropColumns(app);
  }
});

test('a group that is archived with new columns keeps their values; removed columns are ignored', async () => {
  const id = await app.createGroup();
  const numberGroupId = await addGroup({ name: 'newer', numbers: ['1'] });
  await addColumns(app);
  await app.sql('UPDATE groups SET tier = 7, note = $2 WHERE id = $1', [id, 'n']);
  await app.sql('UPDATE number_groups SET tier = 8, note = $2 WHERE id = $1', [numberGroupId, 'n']);
  const remove = async () => {
    await app.post('/deleteGroup', { id });
    await call('remove', { _id: numberGroupId });
  };
  const restore = async () => {
    expect((await app.post('/restoreGroup', { id })).status).toBe(200);
    expect((await here.run('number-groups', 'restore', numberGroupId)).code).toBe(0);
  };
  await remove();
  await restore();
  expect(await app.sql('SELECT tier, note FROM groups WHERE id = $1', [id])).toStrictEqual([
    { tier: 7, note: 'n' },
  ]);
  expect(await app.sql('SELECT tier, note FROM number_groups WHERE id = $1', [numberGroupId])).toStrictEqual([
    { tier: 8, note: 'n' },
  ]);
  await remove();
  await dropColumns(app);
  await restore();
  expect(await app.sql('SELECT id FROM groups WHERE id = $1', [id])).toStrictEqual([{ id }]);
});

describe('an export from before a column was added', () => {
  let file: string;
  let ids: { live: number; deleted: number };
  beforeAll(async () => {
    await app.sql('TRUNCATE groups, service_groups, subscribers, deleted_groups RESTART IDENTITY');
    const { body } = await app.post('/createServiceGroup', { serviceGroup: { name: 'Family' } });
    ids = {
      live: await app.createGroup({ serviceGroupId: body.data.createServiceGroup.id }),
      deleted: await app.createGroup({ name: 'Deleted' }),
    };
    await app.post('/subscribe', { username: 'ali', groupId: ids.live });
    await app.post('/deleteGroup', { id: ids.deleted });
    file = join(folder, 'plans.ndjson');
    await writeFile(file, (await here.run('groups', 'export')).stdout);
    other = await createTestDatabase();
    await addColumns(other);
  });
  afterAll(() => other.drop());

  const importFile = async () => {
    const { code, stdout, stderr } = await there.run('groups', 'import', file, '--json');
    return [code, code === 0 ? JSON.parse(stdout) : stderr];
  };

  test('an export from before a column was added is imported with the defaults', async () => {
    expect((await importFile())[0]).toBe(0);
    for (const table of ['groups', 'service_groups', 'subscribers', 'deleted_groups']) {
      expect(await other.sql(`SELECT ${newColumns} FROM ${table}`)).toStrictEqual([defaults]);
    }
    const [archived] = await other.sql<{ row: object }>('SELECT group_row AS row FROM deleted_groups');
    expect(archived!.row).toMatchObject({ id: ids.deleted, tier: 3 });
  });

  test('a second import of an old export changes nothing, even if the new columns have been edited', async () => {
    await other.sql(
      `UPDATE groups SET tier = 9; UPDATE service_groups SET tier = 9; UPDATE subscribers SET tier = 9;
       UPDATE deleted_groups SET tier = 9, group_row = group_row || '{"tier":9}'`,
    );
    const before = await other.sql('SELECT to_jsonb(groups) FROM groups');
    const [code, result] = await importFile();
    expect([code, JSON.stringify(result)]).toStrictEqual([0, expect.not.stringMatching(/"added":[1-9]/)]);
    expect(await other.sql('SELECT to_jsonb(groups) FROM groups')).toStrictEqual(before);
  });

  test("an import of an old export restores an archived group with the archive's values in the new columns", async () => {
    await other.sql('DELETE FROM subscribers');
    await other.sql(
      `INSERT INTO deleted_groups (id, group_row, deleted_at, deleted_by, purge_at)
       SELECT id, group_row(groups), now(), 'admin', now() + interval '1 day' FROM groups`,
    );
    await other.sql('DELETE FROM groups');
    expect((await importFile())[0]).toBe(0);
    expect(await other.sql('SELECT id, tier, label FROM groups')).toStrictEqual([
      { id: ids.live, tier: 9, label: defaults.label },
    ]);
  });

  test('an import of an old export is rejected if its values differ', async () => {
    await other.sql(`UPDATE groups SET name = 'Edited'`);
    expect(await importFile()).toStrictEqual([
      1,
      expect.stringContaining(`group ${ids.live} exists with different content`),
    ]);
    await other.sql(`UPDATE groups SET name = 'Plain'`);
    await other.sql(`UPDATE deleted_groups SET group_row = group_row || '{"name":"Edited"}'`);
    expect(await importFile()).toStrictEqual([
      1,
      expect.stringContaining(`deletedGroup ${ids.deleted} exists with different content`),
    ]);
  });
});

describe('JSON that was stored before a field was added', () => {
  const fields = 'id hidden dailyBandwidth multiLoginCount';
  const filled = { hidden: false, dailyBandwidth: 'unlimited', multiLoginCount: 1 };
  const without = `- '{hidden,daily_bandwidth,multi_login_count}'::text[]`;
  const values = { hidden: true, dailyBandwidth: '1GB', multiLoginCount: 5 };

  test('a field that stored JSON lacks has its default in the archive, at a purge, and in an export', async () => {
    const id = await app.createGroup(values);
    await app.post('/deleteGroup', { id });
    await app.sql(`UPDATE deleted_groups SET group_row = group_row ${without} WHERE id = $1`, [id]);
    const one = await app.graphql(`query ($id: Int!) { deletedGroup(id: $id) { group { ${fields} } } }`, {
      id,
    });
    expect(one.body).toStrictEqual({ data: { deletedGroup: { group: { id, ...filled } } } });
    const all = await app.graphql(`{ deletedGroups(first: 1) { nodes { group { ${fields} } } } }`);
    expect(all.body).toStrictEqual({ data: { deletedGroups: { nodes: [{ group: { id, ...filled } }] } } });
    const { stdout } = await here.run('groups', 'export', '--id', String(id));
    expect(stdout).toMatch(/"dailyBandwidth":"unlimited","multiLoginCount":1,/);
    const purged = await app.graphql(
      `mutation ($id: Int!) { purgeDeletedGroup(id: $id) { group { ${fields} } } }`,
      {
        id,
      },
    );
    expect(purged.body).toStrictEqual({ data: { purgeDeletedGroup: { group: { id, ...filled } } } });
  });

  test('a field that a stored response lacks is replayed with its default, for each kind of result', async () => {
    const send = async (query: string, variables: object) => {
      const answers = [];
      for (let attempt = 0; attempt < 2; attempt++) {
        const { status, headers, body } = await app.graphql(query, variables, {
          'Idempotency-Key': query.slice(0, 99),
        });
        answers.push([status, headers.get('idempotency-replayed'), body]);
        await app.sql(
          `UPDATE idempotency_keys SET response = CASE WHEN jsonb_typeof(response) = 'array'
             THEN jsonb_build_array((response -> 0) ${without}) ELSE response ${without} - 'discount' END`,
        );
      }
      return answers;
    };
    const expectFilled = (
      [first, second]: unknown[][],
      field: string,
      result: (which: object) => unknown,
    ) => {
      expect(first).toStrictEqual([200, null, { data: { [field]: result(values) } }]);
      expect(second).toStrictEqual([200, 'true', { data: { [field]: result(filled) } }]);
    };
    const group = { name: 'n', tagName: 't', duration: 1, price: '1', ...values };
    const created = await send(`mutation ($group: GroupEdit) { createGroup(group: $group) { ${fields} } }`, {
      group,
    });
    const { id } = (created[0]![2] as { data: { createGroup: { id: number } } }).data.createGroup;
    expectFilled(created, 'createGroup', (which) => ({ id, ...which }));
    const remove = `mutation ($id: Int!) { deleteGroup(id: $id) { ${fields} } }`;
    expectFilled(await send(remove, { id }), 'deleteGroup', (which) => ({ id, ...which }));
    const restore = `mutation ($id: Int!) { restoreGroup(id: $id) { ${fields} } }`;
    expectFilled(await send(restore, { id }), 'restoreGroup', (which) => ({ id, ...which }));
    const removeAll = `mutation ($ids: [Int!]!) { deleteGroups(ids: $ids) { ${fields} } }`;
    expectFilled(await send(removeAll, { ids: [id] }), 'deleteGroups', (which) => [{ id, ...which }]);

    const createServiceGroup =
      'mutation ($s: ServiceGroupEdit) { createServiceGroup(serviceGroup: $s) { name discount } }';
    const [first, second] = await send(createServiceGroup, { s: { name: 'n', discount: 5 } });
    expect(first).toStrictEqual([200, null, { data: { createServiceGroup: { name: 'n', discount: 5 } } }]);
    expect(second).toStrictEqual([200, 'true', { data: { createServiceGroup: { name: 'n', discount: 0 } } }]);
  });
});
