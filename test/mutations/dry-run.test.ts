import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { createProbes, future, past } from '../support/probes.ts';
import { useTestApp, type ApiResponse, type Json } from '../support/test-app.ts';
import { useTestFolder } from '../support/test-folder.ts';

const app = useTestApp();
const folder = useTestFolder();

const { subscribe, readState, nextRequestId } = createProbes(() => app);
const { run } = createCommandLine(() => app);

/** All state that a dry run must not change: the tables, the audit except for its event, and the sequences. */
const readAll = async () => ({
  state: await readState(),
  audit: await app.sql('SELECT * FROM audit_events ORDER BY id'),
  sequences: await app.sql(
    'SELECT last_value, is_called FROM groups_id_seq UNION ALL SELECT last_value, is_called FROM service_groups_id_seq',
  ),
});

/** Runs `work` and expects no change except one audit event, marked as a dry run. */
const expectDryRun = async <T>(work: () => Promise<T>, entry: object = {}): Promise<T> => {
  const before = await readAll();
  const result = await work();
  const after = await readAll();
  expect(after.state).toStrictEqual(before.state);
  expect(after.sequences).toStrictEqual(before.sequences);
  expect(after.audit.slice(0, -1)).toStrictEqual(before.audit);
  expect(after.audit.at(-1)).toMatchObject({ outcome: 'dry-run', ...entry });
  return result;
};

/** Creates a group with an ended subscriber, and optionally an active one. */
const createGroup = async (hasActive = false): Promise<number> => {
  const id = await app.createGroup();
  await subscribe(id, `ended-${id}`, { startsAt: past, expiresAt: '2021-01-01T00:00:00Z' });
  if (hasActive) await subscribe(id, `active-${id}`, { startsAt: past, expiresAt: future });
  return id;
};

/** The deleted rows, or the number of moved subscribers. */
const resultOf = (operation: string, { body }: ApiResponse) => {
  const result = body.data[operation];
  if (operation === 'moveSubscribers') return result.movedCount;
  return [result].flat().map(({ id, name, price, version }: Json) => ({ id, name, price, version }));
};

describe('dry runs', () => {
  const cases: [string, () => Promise<[string, Record<string, unknown>]>][] = [
    ['deleteGroup', async () => ['deleteGroup', { id: await createGroup() }]],
    ['deleteGroup with a reason', async () => ['deleteGroup', { id: await createGroup(), reason: 'why' }]],
    [
      'deleteGroup with expectedVersion',
      async () => ['deleteGroup', { id: await createGroup(), expectedVersion: 1 }],
    ],
    [
      'deleteGroup with moveSubscribersTo',
      async () => [
        'deleteGroup',
        { id: await createGroup(true), moveSubscribersTo: await createGroup(true) },
      ],
    ],
    [
      'deleteGroup with moveSubscribersTo and no one to move',
      async () => ['deleteGroup', { id: await createGroup(), moveSubscribersTo: await createGroup() }],
    ],
    [
      'deleteGroups',
      async () => ['deleteGroups', { ids: [await createGroup(), await createGroup(), await createGroup()] }],
    ],
    [
      'moveSubscribers',
      async () => [
        'moveSubscribers',
        { fromGroupId: await createGroup(true), toGroupId: await createGroup(true) },
      ],
    ],
  ];

  test.each(cases)(
    'a dry run returns what the call would return, and changes nothing but adds one audit event: %s',
    async (_name, prepare) => {
      const [operation, args] = await prepare();
      const requestId = nextRequestId();
      const dry = await expectDryRun(
        () => app.post(`/${operation}`, { ...args, dryRun: true }, { 'X-Request-Id': requestId }),
        { operation, request_id: requestId, error_code: null },
      );
      expect(dry.status).toBe(200);
      const real = await app.post(`/${operation}`, args);
      expect(resultOf(operation, real)).toStrictEqual(resultOf(operation, dry));
    },
  );

  test.each(cases)('a dry run with an Idempotency-Key does not store the key: %s', async (_name, prepare) => {
    const [operation, args] = await prepare();
    const key = { 'Idempotency-Key': nextRequestId() };
    await expectDryRun(() => app.post(`/${operation}`, { ...args, dryRun: true }, key));
    const real = await app.post(`/${operation}`, args, key);
    expect([real.status, real.headers.get('idempotency-replayed')]).toStrictEqual([200, null]);
  });

  test.each([1, 2])('group-api groups delete --dry-run of %i groups changes nothing', async (count) => {
    const ids: string[] = [];
    for (let n = 0; n < count; n++) ids.push(String(await createGroup()));
    const { code } = await expectDryRun(() => run('groups', 'delete', ...ids, '--dry-run'), {
      operation: 'groups delete',
      target_ids: ids,
    });
    expect(code).toBe(0);
  });

  test('group-api groups delete --move-subscribers-to --dry-run changes nothing', async () => {
    const [id, target] = [String(await createGroup(true)), String(await createGroup(true))];
    const { code } = await expectDryRun(() =>
      run('groups', 'delete', id, '--move-subscribers-to', target, '--dry-run', '--json'),
    );
    expect(code).toBe(0);
  });

  test('group-api groups import --dry-run changes nothing', async () => {
    const id = await createGroup(true);
    const file = join(folder, 'plans.ndjson');
    expect(await run('groups', 'export', file)).toMatchObject({ code: 0 });
    await app.sql('DELETE FROM subscribers WHERE group_id = $1', [id]);
    await app.sql('DELETE FROM groups WHERE id = $1', [id]);
    const { code, stderr } = await expectDryRun(() => run('groups', 'import', file, '--dry-run'), {
      operation: 'groups import',
    });
    expect([code, stderr]).toStrictEqual([0, expect.any(String)]);
  });
});

describe('dry runs of calls that would be rejected', () => {
  test.each([
    ['HAS_ACTIVE_SUBSCRIBERS', async () => ({ id: await createGroup(true) })],
    ['NOT_FOUND', async () => ({ id: 2_000_000_000 })],
    ['VERSION_CONFLICT', async () => ({ id: await createGroup(), expectedVersion: 2 })],
    ['GROUP_PROTECTED', async () => ({ id: await app.createGroup({ protected: true }) })],
    ['NOT_FOUND', async () => ({ id: await createGroup(true), moveSubscribersTo: 2_000_000_000 })],
  ])('a dry run returns the error %s of the call, and changes nothing', async (code, prepare) => {
    const args = await prepare();
    const dry = await expectDryRun(() => app.post('/deleteGroup', { ...args, dryRun: true }), {
      error_code: code,
    });
    const real = await app.post('/deleteGroup', args);
    expect(dry.body.errors[0].extensions.code).toBe(code);
    expect([dry.status, dry.body]).toStrictEqual([real.status, real.body]);
  });
});
