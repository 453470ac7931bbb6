import { expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { createTestAccount } from '../support/test-accounts.ts';
import { useTestApp, type Json } from '../support/test-app.ts';

// The field radiusAttributes of a group: what FreeRADIUS reads, before anyone signs in.

const app = useTestApp();
const { run } = createCommandLine(() => app);
const attributes = 'radiusAttributes { attribute op value }';

const plan = { multiLoginCount: 3, downloadUpload: '100/20', dailyBandwidth: '10GB', ip: '192.0.2.0/24' };
const expected = (id: number) => [
  { attribute: 'Simultaneous-Use', op: ':=', value: '3' },
  { attribute: 'Max-Daily-Octets', op: ':=', value: '10000000000' },
  { attribute: 'Mikrotik-Rate-Limit', op: ':=', value: '20M/100M' },
  { attribute: 'WISPr-Bandwidth-Max-Down', op: ':=', value: '100000000' },
  { attribute: 'WISPr-Bandwidth-Max-Up', op: ':=', value: '20000000' },
  { attribute: 'Framed-Pool', op: ':=', value: `group-${id}` },
];
const send = async (operation: string, variables: object = {}, headers: Record<string, string> = {}) => {
  const { body } = await app.graphql(operation, variables, headers);
  expect(body.errors).toBeUndefined();
  return body.data;
};

test('queries show the attributes of a group as the views have them, in the order of FreeRADIUS', async () => {
  const id = await app.createGroup(plan);
  const data = await send(
    `{ group(id: ${id}) { ${attributes} } allGroups { id ${attributes} }
       searchGroups { nodes { id ${attributes} } } groupDeletionImpact(id: ${id}) { group { ${attributes} } } }`,
  );
  const ofId = (list: Json[]) => list.find((group) => group.id === id).radiusAttributes;
  for (const list of [
    data.group.radiusAttributes,
    ofId(data.allGroups),
    ofId(data.searchGroups.nodes),
    data.groupDeletionImpact.group.radiusAttributes,
  ])
    expect(list).toStrictEqual(expected(id));
  expect(
    await app.sql(
      `SELECT attribute, op, value FROM (SELECT * FROM radius.radgroupcheck UNION ALL SELECT * FROM radius.radgroupreply) AS both_views
       WHERE group_id = $1 ORDER BY id`,
      [id],
    ),
  ).toStrictEqual(expected(id));
});

test('a limit whose text is not understood is missing from the attributes', async () => {
  const id = await app.createGroup({
    dailyBandwidth: '10 GB/day',
    downloadUpload: 'fast',
    multiLoginCount: 0,
  });
  expect(await send(`{ group(id: ${id}) { dailyBandwidth ${attributes} } }`)).toStrictEqual({
    group: { dailyBandwidth: '10 GB/day', radiusAttributes: [] },
  });
});

test('mutations return the attributes of their result, deletes and dry runs of the deleted group', async () => {
  const created = await send(
    `mutation ($group: GroupEdit) { createGroup(group: $group) { id ${attributes} } }`,
    { group: { name: 'n', tagName: 't', duration: 1, price: '1', ...plan } },
  );
  const { id } = created.createGroup;
  expect(created.createGroup.radiusAttributes).toStrictEqual(expected(id));

  const change = async (field: string) =>
    (Object.values(await send(`mutation { ${field} { ${attributes} } }`)) as Json[]).flat()[0];
  const edited = await change(`editGroup(id: ${id}, group: { multiLoginCount: 1 })`);
  expect(edited.radiusAttributes[0]).toStrictEqual({ attribute: 'Simultaneous-Use', op: ':=', value: '1' });
  await change(`editGroup(id: ${id}, group: { multiLoginCount: 3 })`);

  for (const field of [
    `deleteGroup(id: ${id}, dryRun: true)`,
    `deleteGroup(id: ${id})`,
    `restoreGroup(id: ${id})`,
    `deleteGroups(ids: [${id}], dryRun: true)`,
    `retireGroup(id: ${id}, at: "2100-01-01T00:00:00Z")`,
    `cancelRetirement(id: ${id})`,
    `deleteGroups(ids: [${id}])`,
  ])
    expect([field, (await change(field)).radiusAttributes]).toStrictEqual([field, expected(id)]);
  const { deletedGroup } = await send(`{ deletedGroup(id: ${id}) { group { ${attributes} } } }`);
  expect(deletedGroup.group.radiusAttributes).toStrictEqual(expected(id));
  const purged = await send(`mutation { purgeDeletedGroup(id: ${id}) { group { ${attributes} } } }`);
  expect(purged.purgeDeletedGroup.group.radiusAttributes).toStrictEqual(expected(id));
});

test('a repeated delete returns the attributes, whichever of the two calls selects them', async () => {
  for (const [first, second] of [
    [attributes, attributes],
    ['name', attributes],
    [attributes, `name ${attributes}`],
  ]) {
    const id = await app.createGroup(plan);
    const headers = { 'Idempotency-Key': `delete ${id}` };
    await send(`mutation { deleteGroup(id: ${id}) { ${first} } }`, {}, headers);
    const repeated = await app.graphql(`mutation { deleteGroup(id: ${id}) { ${second} } }`, {}, headers);
    expect(repeated.headers.get('Idempotency-Replayed')).toBe('true');
    expect(repeated.body.data.deleteGroup.radiusAttributes).toStrictEqual(expected(id));
    // One event of the delete, and one of the repeated call.
    expect(
      await app.sql(
        `SELECT outcome FROM audit_events WHERE operation = 'deleteGroup' AND target_ids = $1 ORDER BY id`,
        [[String(id)]],
      ),
    ).toStrictEqual([{ outcome: 'done' }, { outcome: 'replayed' }]);
  }
});

test('the audit log and the archive have the row of a delete that selects them, without the attributes', async () => {
  const id = await app.createGroup(plan);
  await send(`mutation { deleteGroup(id: ${id}) { ${attributes} } }`);
  const [event] = await app.sql<Json>(
    `SELECT before FROM audit_events WHERE operation = 'deleteGroup' AND target_ids = $1`,
    [[String(id)]],
  );
  const [archived] = await app.sql<Json>('SELECT group_row FROM deleted_groups WHERE id = $1', [id]);
  expect(event.before).toStrictEqual(archived.group_row);
  expect(event.before).not.toHaveProperty('details');
});

test('the short form does not select the attributes, which cost a query', async () => {
  const id = await app.createGroup(plan);
  const { body } = await app.post('/deleteGroup', { id });
  expect(body.data.deleteGroup).toMatchObject({ id, downloadUpload: '100/20' });
  expect(body.data.deleteGroup).not.toHaveProperty('radiusAttributes');
});

test('the attributes of all groups of a list come with one query for a thousand of them', async () => {
  const count = async () =>
    (await app.sql<{ calls: number }>(`SELECT count(*)::int AS calls FROM groups`))[0]!.calls;
  await app.sql(
    `INSERT INTO groups (name, tag_name, duration, price, download_upload) SELECT 'many', 'many', 1, 1, n || '/1' FROM generate_series(1, 1500) n`,
  );
  const { allGroups } = await send(`{ allGroups { downloadUpload ${attributes} } }`);
  expect(allGroups).toHaveLength(await count());
  for (const { downloadUpload, radiusAttributes } of allGroups) {
    const [, down] = /^(\d+)\/1$/.exec(downloadUpload) ?? [];
    if (down !== undefined)
      expect(radiusAttributes).toContainEqual({
        attribute: 'WISPr-Bandwidth-Max-Down',
        op: ':=',
        value: `${down}000000`,
      });
  }
});

test('the attributes need the scope groups:read only', async () => {
  const id = await app.createGroup(plan);
  const account = await createTestAccount(app, { username: 'reader', scopes: ['groups:read'] });
  const { group } = await send(`{ group(id: ${id}) { ${attributes} } }`, {}, account.byKey);
  expect(group.radiusAttributes).toStrictEqual(expected(id));
});

test('groups show prints the attributes, one a line', async () => {
  const id = await app.createGroup({ multiLoginCount: 2, downloadUpload: '1/1' });
  const { stdout } = await run('groups', 'show', String(id));
  expect(stdout).toMatch(/^radiusAttributes +Simultaneous-Use := 2\n +Mikrotik-Rate-Limit := 1M\/1M\n/m);
  const shown = JSON.parse((await run('groups', 'show', String(id), '--json')).stdout);
  expect(shown.group.radiusAttributes[0]).toStrictEqual({
    attribute: 'Simultaneous-Use',
    op: ':=',
    value: '2',
  });
});
