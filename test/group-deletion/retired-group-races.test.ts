import { expect, test } from '@jest/globals';
import { createProbes } from '../support/probes.ts';
import { openSecondConnection, type SecondConnection } from '../support/second-connection.ts';
import { useTestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

// What happens to a retired group while a server waits to delete it.

const app = useTestApp();
const { auditOf, groupRow, subscribersOf } = createProbes(() => app);

/** Makes a group due that a connection has locked, and returns it once a server waits to delete it. */
async function waitForDelete(): Promise<{ id: number; second: SecondConnection }> {
  const id = await app.createGroup();
  const second = await openSecondConnection(app);
  await second.query('BEGIN');
  await second.query('SELECT FROM groups WHERE id = $1 FOR KEY SHARE', [id]);
  await app.sql(
    `UPDATE groups SET hidden = true, version = 2, retires_at = now(),
       retirement = jsonb_build_object('retired_by', 'x', 'request_id', 'of ' || id) WHERE id = $1`,
    [id],
  );
  await second.waitForBlocked();
  return { id, second };
}

/** Waits until a server has deleted a group that is due later than all others. */
async function waitForExamination(): Promise<void> {
  const id = await app.createGroup();
  await app.post('/retireGroup', { id });
  await waitUntil(async () => (await groupRow(id)).length === 0);
}

test('a retirement that is cancelled while a server waits to delete the group deletes nothing', async () => {
  const { id, second } = await waitForDelete();
  await second.query('UPDATE groups SET retires_at = NULL, retirement = NULL, version = 3 WHERE id = $1', [
    id,
  ]);
  await second.query('COMMIT');
  await second.close();
  await waitForExamination();
  expect([await groupRow(id), await auditOf(`of ${id}`)]).toMatchObject([[{ id }], []]);
});

test('a retired group that gets an active subscriber while a server waits to delete it stays until that has ended', async () => {
  const { id, second } = await waitForDelete();
  await second.query(`INSERT INTO subscribers (group_id, username) VALUES ($1, 'ali')`, [id]);
  await second.query('COMMIT');
  await second.close();
  await waitForExamination();
  expect([await groupRow(id), await auditOf(`of ${id}`)]).toMatchObject([[{ id }], []]);
  expect(await subscribersOf(id)).toMatchObject([{ username: 'ali' }]);

  await app.post('/removeUserSubscription', { username: 'ali', groupId: id });
  await waitUntil(async () => (await groupRow(id)).length === 0);
  expect(await auditOf(`of ${id}`)).toMatchObject([{ operation: 'deleteGroup', outcome: 'done' }]);
});
