import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { createProbes, future } from '../support/probes.ts';
import { createRetirements } from '../support/retirements.ts';
import { useTestApp, type Json } from '../support/test-app.ts';
import { createTestDatabase } from '../support/test-database.ts';
import { useTestFolder } from '../support/test-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

// The rules of a retirement. retire-rejections.test.ts has the rejections, retired-groups.test.ts the delete.

const app = useTestApp({}, () => createTestDatabase({ settings: { timezone: 'Asia/Tehran' } }));

const { archiveRow, auditOf, groupRow, nextRequestId, readState, subscribe, subscribersOf } = createProbes(
  () => app,
);
const { retire, cancel, createRetired, readGroup } = createRetirements(() => app);

test('retireGroup hides a group until its date, with an audit event; its subscribers stay', async () => {
  const id = await app.createGroup({ name: 'Old plan' });
  const other = await app.createGroup({ name: 'Other plan' });
  await subscribe(id, 'ali');
  const subscribers = await subscribersOf(id);
  const requestId = nextRequestId();

  const { status, body } = await retire(
    id,
    { at: '2099-12-31T23:59:59.999+03:30', moveSubscribersTo: other, reason: 'sold as another' },
    { 'X-Request-Id': requestId },
  );

  const retiresAt = '2099-12-31T20:29:59.999Z';
  const state = { hidden: true, isRetired: true, retiresAt, version: 2 };
  expect([status, body.data.retireGroup]).toMatchObject([200, { id, name: 'Old plan', ...state }]);
  expect(await readGroup(id)).toStrictEqual(state);
  expect(await readGroup(other)).toMatchObject({ isRetired: false, retiresAt: null, version: 1 });
  expect(await subscribersOf(id)).toStrictEqual(subscribers);
  expect(await auditOf(requestId)).toMatchObject([
    {
      operation: 'retireGroup',
      outcome: 'done',
      target_ids: [String(id), String(other)],
      reason: 'sold as another',
      before: { id, hidden: false, retires_at: null, retirement: null, version: 1 },
      after: {
        id,
        hidden: true,
        retirement: { retired_by: 'admin', move_subscribers_to: other },
        version: 2,
      },
    },
  ]);
  const impact = `retirement { retiresAt retiredBy moveSubscribersTo problem { code } }`;
  const found = await app.graphql(
    `{ one: groupDeletionImpact(id: ${id}) { canDelete ${impact} } two: groupDeletionImpact(id: ${other}) { ${impact} } }`,
  );
  expect(found.body.data).toStrictEqual({
    one: {
      canDelete: false,
      retirement: {
        retiresAt,
        retiredBy: 'admin',
        moveSubscribersTo: other,
        problem: null,
      },
    },
    two: { retirement: null },
  });
});

test('registrationGroups has no retired group, and isRetired of searchGroups selects them or the others', async () => {
  const serviceGroup = (await app.post('/createServiceGroup', { serviceGroup: { name: 'Plans' } })).body.data
    .createServiceGroup.id;
  const retired = await createRetired({ serviceGroupId: serviceGroup });
  const open = await app.createGroup({ serviceGroupId: serviceGroup });
  // Shown by other software than this server.
  await app.sql('UPDATE groups SET hidden = false WHERE id = $1', [retired]);

  const offered = await app.graphql('{ registrationGroups { id } }');
  const ids = offered.body.data.registrationGroups.map((group: Json) => group.id);
  expect([ids.includes(open), ids.includes(retired)]).toStrictEqual([true, false]);
  for (const [isRetired, expected] of [
    [true, [retired]],
    [false, [open]],
    [null, [retired, open]],
  ]) {
    const { body } = await app.graphql(
      'query ($filter: GroupFilter) { searchGroups(filter: $filter) { nodes { id } totalCount } }',
      { filter: { serviceGroupId: serviceGroup, isRetired } },
    );
    const { nodes, totalCount } = body.data.searchGroups;
    expect([nodes.map((group: Json) => group.id), totalCount]).toStrictEqual([
      expected,
      (expected as []).length,
    ]);
  }
});

test('a retired group is deleted after its date and not before, by the account, request and reason of its retirement', async () => {
  const id = await app.createGroup();
  const requestId = nextRequestId();
  const at = new Date(Date.now() + 500);
  await retire(id, { at: at.toISOString(), reason: 'replaced' }, { 'X-Request-Id': requestId });

  await waitUntil(async () => (await groupRow(id)).length === 0);

  const [archived]: Json[] = await archiveRow(id);
  expect(archived).toMatchObject({ deleted_by: 'admin', reason: 'replaced' });
  expect(archived.deleted_at.getTime()).toBeGreaterThanOrEqual(at.getTime());
  expect(await auditOf(requestId)).toMatchObject([
    { operation: 'retireGroup', outcome: 'done' },
    { operation: 'deleteGroup', outcome: 'done', target_ids: [String(id)], reason: 'replaced' },
  ]);
  const { body } = await app.post('/auditEvents', { filter: { requestId }, first: 1 });
  expect(body.data.auditEvents.nodes).toMatchObject([{ account: 'admin', credential: 'none' }]);
});

test.each([false, true])(
  'a repeated retireGroup replaces the date, the target and the reason; cancelRetirement restores hidden: %s',
  async (hidden) => {
    const [id, target] = [await app.createGroup({ hidden }), await app.createGroup()];
    await retire(id, { moveSubscribersTo: target, reason: 'first' });
    const again = await retire(id, { at: '2050-01-01T00:00:00Z' });
    expect(again.body.data.retireGroup).toMatchObject({ retiresAt: '2050-01-01T00:00:00.000Z', version: 3 });
    expect(await groupRow(id)).toMatchObject([{ retirement: { reason: null, move_subscribers_to: null } }]);
    const requestId = nextRequestId();

    const { status, body } = await cancel(id, { 'X-Request-Id': requestId });

    const state = { hidden, isRetired: false, retiresAt: null, version: 4 };
    expect([status, body.data.cancelRetirement]).toMatchObject([200, { id, ...state }]);
    expect(await readGroup(id)).toStrictEqual(state);
    expect(await auditOf(requestId)).toMatchObject([
      {
        operation: 'cancelRetirement',
        outcome: 'done',
        target_ids: [String(id)],
        before: { version: 3, hidden: true },
        after: { version: 4, hidden, retires_at: null, retirement: null },
      },
    ]);
    expect((await subscribe(id, 'ali')).status).toBe(200);
  },
);

test('a dry run of retireGroup returns the retired group and changes nothing', async () => {
  const id = await app.createGroup();
  const before = await readState();
  const requestId = nextRequestId();
  const { body } = await retire(id, { dryRun: true }, { 'X-Request-Id': requestId });
  expect(body.data.retireGroup).toMatchObject({ id, isRetired: true, version: 2 });
  expect(await readState()).toStrictEqual(before);
  expect(await auditOf(requestId)).toMatchObject([{ operation: 'retireGroup', outcome: 'dry-run' }]);
});

test('a repeated call with an Idempotency-Key returns the first response, and does not change the group again', async () => {
  const id = await app.createGroup();
  const retireKey = { 'Idempotency-Key': `retire-${id}` };
  const first = await retire(id, {}, retireKey);
  expect(await retire(id, {}, retireKey)).toMatchObject({ status: 200, body: first.body });
  const cancelKey = { 'Idempotency-Key': `cancel-${id}` };
  const cancelled = await cancel(id, cancelKey);
  const repeated = await cancel(id, cancelKey);
  expect(repeated).toMatchObject({ status: 200, body: cancelled.body });
  expect(repeated.headers.get('Idempotency-Replayed')).toBe('true');
  expect(await readGroup(id)).toMatchObject({ isRetired: false, version: 3 });
});

test.each([false, true])(
  'deleteGroup deletes a retired group as any other, and restoreGroup restores it not retired, with hidden: %s',
  async (hidden) => {
    const id = await createRetired({ hidden });
    const deleted = await app.post('/deleteGroup', { id, expectedVersion: 2 });
    expect(deleted.body.data.deleteGroup).toMatchObject({ id, isRetired: true, retiresAt: future });
    const { body } = await app.post('/restoreGroup', { id });
    const state = { hidden, isRetired: false, retiresAt: null, version: 3 };
    expect(body.data.restoreGroup).toMatchObject({ id, ...state });
    expect(await readGroup(id)).toStrictEqual(state);
  },
);

describe('exports and imports', () => {
  const folder = useTestFolder();
  const { run } = createCommandLine(() => app);

  test('an import of a retired group that was deleted restores it hidden and not retired', async () => {
    const id = await createRetired();
    const file = join(folder, 'plans.ndjson');
    expect(await run('groups', 'export', file, '--id', String(id))).toMatchObject({ code: 0 });
    const unchanged = await run('groups', 'import', file, '--json');
    expect(JSON.parse(unchanged.stdout)).toMatchObject({ groups: { unchanged: 1 } });
    expect(await readGroup(id)).toMatchObject({ isRetired: true, retiresAt: future });
    await app.post('/deleteGroup', { id });

    expect(await run('groups', 'import', file)).toMatchObject({ code: 0 });

    expect(await readGroup(id)).toStrictEqual({
      hidden: true,
      isRetired: false,
      retiresAt: null,
      version: 2,
    });
  });
});

describe('commands', () => {
  const { run, environment } = createCommandLine(() => app);
  afterEach(() => {
    delete environment['TZ'];
  });

  test('groups retire accepts a day, which starts in UTC in any time zone; groups list --retired and groups show report it', async () => {
    const id = await app.createGroup({ name: 'Old' });
    environment['TZ'] = 'Asia/Tehran';
    const retired = await run('groups', 'retire', String(id), '--at', '2099-12-31', '--json');
    delete environment['TZ'];
    expect(JSON.parse(retired.stdout)).toMatchObject({
      isRetired: true,
      retiresAt: '2099-12-31T00:00:00.000Z',
    });
    const listed = await run('groups', 'list', '--retired', '--first', '200');
    expect(listed.stdout).toMatch(new RegExp(`^${id} +Old .* hidden,retired$`, 'm'));
    const others = await run('groups', 'list', '--retired', 'false', '--first', '200');
    expect(others.stdout).not.toMatch(new RegExp(`^${id} `, 'm'));
    const shown = await run('groups', 'show', String(id));
    expect(shown.stdout).toMatch(/^retiredBy +command-line:.*\nmoveSubscribersTo\nretirementProblem +none$/m);
  });
});
