import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createProbes, past } from '../support/probes.ts';
import { openSecondConnection, type SecondConnection } from '../support/second-connection.ts';
import { useTestApp, type ApiResponse } from '../support/test-app.ts';

// Another client changes the group after a delete has read it and before the delete locks it.
const app = useTestApp();

const { groupRow, archiveRow, codeOf, subscribe } = createProbes(() => app);
let second: SecondConnection;
beforeEach(async () => {
  second = await openSecondConnection(app);
});
afterEach(() => second.close());

const edit = 'UPDATE groups SET version = version + 1, name = $$Edited$$ WHERE id = $1';
const protect = 'UPDATE groups SET protected = true, version = version + 1 WHERE id = $1';

const expectConflict = async (id: number, answer: ApiResponse, code: string) => {
  expect([answer.status, codeOf(answer)]).toStrictEqual([409, code]);
  if (code === 'VERSION_CONFLICT') expect(answer.body.errors[0].extensions.version).toBe(2);
  expect(answer.body.data).toStrictEqual({ deleteGroup: null });
  expect(await groupRow(id)).toMatchObject([{ version: 2 }]);
  expect(await archiveRow(id)).toStrictEqual([]);
};

/** The ways to delete a group: in a batch with others, or in a transaction. */
const ways = [
  ['a plain deleteGroup', async (id: number) => ({ id })],
  [
    'deleteGroup with moveSubscribersTo',
    async (id: number) => ({ id, moveSubscribersTo: await app.createGroup() }),
  ],
  ['a dry run', async (id: number) => ({ id, dryRun: true })],
] as const;

describe.each(ways)('%s that waits for a concurrent edit', (_way, write) => {
  test('is rejected if the edit changes the expected version', async () => {
    const id = await app.createGroup();
    await second.query('BEGIN');
    await second.query(edit, [id]);
    const deletion = app.post('/deleteGroup', { ...(await write(id)), expectedVersion: 1 });
    await second.waitForBlocked();
    await second.query('COMMIT');
    await expectConflict(id, await deletion, 'VERSION_CONFLICT');
  });

  test('is executed if the edit is undone', async () => {
    const id = await app.createGroup();
    await second.query('BEGIN');
    await second.query(edit, [id]);
    const deletion = app.post('/deleteGroup', { ...(await write(id)), expectedVersion: 1 });
    await second.waitForBlocked();
    await second.query('ROLLBACK');
    const { status, body } = await deletion;
    expect([status, body.data.deleteGroup]).toStrictEqual([
      200,
      expect.objectContaining({ id, version: 1, name: 'Plain' }),
    ]);
  });

  test('is rejected if the edit protects the group', async () => {
    const id = await app.createGroup();
    await second.query('BEGIN');
    await second.query(protect, [id]);
    const deletion = app.post('/deleteGroup', await write(id));
    await second.waitForBlocked();
    await second.query('COMMIT');
    await expectConflict(id, await deletion, 'GROUP_PROTECTED');
  });

  test('without an expected version returns the group as the edit left it', async () => {
    const id = await app.createGroup();
    await second.query('BEGIN');
    await second.query(edit, [id]);
    const deletion = app.post('/deleteGroup', await write(id));
    await second.waitForBlocked();
    await second.query('COMMIT');
    const { status, body } = await deletion;
    expect([status, body.data.deleteGroup]).toStrictEqual([
      200,
      expect.objectContaining({ id, version: 2, name: 'Edited' }),
    ]);
  });
});

describe('a batch that has read the group before the edit and locks it afterwards', () => {
  // The statement counts subscribers between reading and locking. Here is_active() waits for a lock of the test.
  const lockNumber = 4711;
  let original: string;
  beforeAll(async () => {
    const [row] = await app.sql<{ definition: string }>(
      `SELECT pg_get_functiondef('is_active(timestamptz)'::regprocedure) AS definition`,
    );
    original = row!.definition;
    await app.sql(`CREATE OR REPLACE FUNCTION is_active("expires_at" TIMESTAMPTZ) RETURNS boolean LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock_shared(${lockNumber});
        RETURN coalesce("expires_at" > now(), true);
      END $$`);
  });
  afterAll(() => app.sql(original));

  const deleteMeanwhile = async (id: number, args: object, change: string): Promise<ApiResponse> => {
    await subscribe(id, `ended-${id}`, { startsAt: past, expiresAt: '2021-01-01T00:00:00Z' });
    await second.query('SELECT pg_advisory_lock($1)', [lockNumber]);
    const deletion = app.post('/deleteGroup', { id, ...args });
    await second.waitForBlocked();
    await second.query(change, [id]);
    await second.query('SELECT pg_advisory_unlock($1)', [lockNumber]);
    return deletion;
  };

  test('is rejected if the edit changes the expected version', async () => {
    const id = await app.createGroup();
    await expectConflict(id, await deleteMeanwhile(id, { expectedVersion: 1 }, edit), 'VERSION_CONFLICT');
  });

  test('is rejected if the edit protects the group', async () => {
    const id = await app.createGroup();
    await expectConflict(id, await deleteMeanwhile(id, {}, protect), 'GROUP_PROTECTED');
  });

  test('is rejected if the group is protected without a new version', async () => {
    const id = await app.createGroup();
    const change = 'UPDATE groups SET protected = true WHERE id = $1';
    const answer = await deleteMeanwhile(id, {}, change);
    expect([answer.status, codeOf(answer)]).toStrictEqual([409, 'GROUP_PROTECTED']);
    expect(await groupRow(id)).toHaveLength(1);
  });

  test('without an expected version returns the group as the edit left it', async () => {
    const id = await app.createGroup();
    const { body } = await deleteMeanwhile(id, {}, edit);
    expect(body.data.deleteGroup).toMatchObject({ id, version: 2, name: 'Edited' });
    expect(await archiveRow(id)).toMatchObject([{ group_row: { version: 2, name: 'Edited' } }]);
  });

  test('is executed if the group is unchanged', async () => {
    const id = await app.createGroup();
    const { body } = await deleteMeanwhile(id, { expectedVersion: 1 }, 'SELECT $1::int');
    expect(body.data.deleteGroup).toMatchObject({ id, version: 1 });
  });
});
