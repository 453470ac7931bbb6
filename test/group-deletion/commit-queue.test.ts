import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { openSecondConnection } from '../support/second-connection.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();

/** Occupies the queue with two statements while `work` sends its requests, so that these share the next statement. */
async function whileQueueIsBusy<T>(work: () => Promise<T>[]): Promise<T[]> {
  const first = [await app.createGroup(), await app.createGroup()];
  const locker = await openSecondConnection(app);
  await locker.query('BEGIN');
  await locker.query('LOCK TABLE deleted_groups');
  const busy: Promise<unknown>[] = [];
  for (const id of first) {
    busy.push(app.post('/deleteGroup', { id }));
    await locker.waitForBlocked(busy.length);
  }
  const working = work();
  // Time for the server to read them all, which it does not report: none has a connection to wait with.
  await sleep(500);
  await locker.close();
  await Promise.all(busy);
  return Promise.all(working);
}

test('63 deletes succeed if another one in the same statement fails at the commit', async () => {
  await app.sql('CREATE TABLE late (group_id int REFERENCES groups (id) DEFERRABLE INITIALLY DEFERRED)');
  const ids = await Promise.all(Array.from({ length: 64 }, () => app.createGroup()));
  const bad = ids[30];
  await app.sql('INSERT INTO late VALUES ($1)', [bad]);

  const answers = await whileQueueIsBusy(() => ids.map((id) => app.post('/deleteGroup', { id })));

  const failed = answers.filter(({ status }) => status !== 200);
  process.stderr.write(`neighbours: ${answers.length - failed.length} answers, ${failed.length} error\n`);
  expect(failed).toHaveLength(1);
  expect(failed[0]).toMatchObject({ status: 500, body: { errors: [{ message: 'Internal server error' }] } });
  const counts = async (table: string, column: string) =>
    (await app.sql(`SELECT FROM ${table} WHERE ${column} = ANY ($1)`, [ids])).length;
  expect(await app.sql('SELECT id FROM groups WHERE id = ANY ($1)', [ids])).toStrictEqual([{ id: bad }]);
  expect(await counts('deleted_groups', 'id')).toBe(63);
  const outcomes = await app.sql(
    `SELECT outcome, count(*)::int FROM audit_events WHERE operation = 'deleteGroup' AND target_ids && $1 GROUP BY 1 ORDER BY 1`,
    [ids.map(String)],
  );
  expect(outcomes).toStrictEqual([
    { outcome: 'done', count: 63 },
    { outcome: 'refused', count: 1 },
  ]);
  await app.sql('DROP TABLE late');
});

test('a delete does not wait for another delete that waits for a lock', async () => {
  const [held, ...free] = await Promise.all(Array.from({ length: 9 }, () => app.createGroup()));
  const locker = await openSecondConnection(app);
  await locker.lockGroup(held!);
  const [last, ...first] = [held, ...free].map((id) => app.post('/deleteGroup', { id }));
  expect((await Promise.all(first)).map(({ status }) => status)).toStrictEqual(Array(8).fill(200));
  expect(await app.sql('SELECT id FROM groups WHERE id = $1', [held])).toStrictEqual([{ id: held }]);
  await locker.close();
  expect((await last!).status).toBe(200);
});

test('deletes that wait are committed together, each with its own response', async () => {
  const [fine, guarded] = [await app.createGroup(), await app.createGroup({ protected: true })];
  const busy = await app.createGroup();
  await app.post('/subscribe', { username: 'a', groupId: busy });
  const others = [await app.createGroup(), await app.createGroup()];
  const ids = [fine, guarded, busy, 2_000_000_000, fine, ...others];

  const answers = await whileQueueIsBusy(() => ids.map((id) => app.post('/deleteGroup', { id })));

  expect(answers.map(({ body }) => body.errors?.[0].extensions.code ?? 'deleted')).toStrictEqual([
    'deleted',
    'GROUP_PROTECTED',
    'HAS_ACTIVE_SUBSCRIBERS',
    'NOT_FOUND',
    'NOT_FOUND',
    'deleted',
    'deleted',
  ]);
  const times = await app.sql('SELECT DISTINCT deleted_at FROM deleted_groups WHERE id = ANY ($1)', [
    [fine, ...others],
  ]);
  expect(times).toHaveLength(1);
});

test('a slow delete does not block the deletes after it', async () => {
  const [slow, ...others] = await Promise.all(Array.from({ length: 9 }, () => app.createGroup()));
  await app.sql(
    `CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN OLD; END $$`,
  );
  await app.sql(
    `CREATE TRIGGER take_long BEFORE DELETE ON groups FOR EACH ROW WHEN (OLD.id = ${slow}) EXECUTE FUNCTION take_long()`,
  );
  const locker = await openSecondConnection(app);
  await locker.query('SELECT pg_advisory_lock(1)');
  const first = app.post('/deleteGroup', { id: slow });
  await locker.waitForBlocked();
  const answers = await Promise.all(others.map((id) => app.post('/deleteGroup', { id })));
  expect(answers.map(({ status }) => status)).toStrictEqual(Array(8).fill(200));
  expect(await app.sql('SELECT id FROM groups WHERE id = $1', [slow])).toStrictEqual([{ id: slow }]);
  await locker.close();
  expect((await first).status).toBe(200);
  await app.sql('DROP FUNCTION take_long CASCADE');
});
