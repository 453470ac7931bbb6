import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { bin, cwd } from '../support/command-line.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { openTestApp, plainGroup, useTestApp, type Json, type TestApp } from '../support/test-app.ts';
import { createTestDatabase } from '../support/test-database.ts';
import { waitUntil } from '../support/wait-until.ts';

describe.each(['repeatable read', 'serializable'])('in a database whose isolation level is %s', (level) => {
  const app = useTestApp({}, () =>
    createTestDatabase({ settings: { default_transaction_isolation: level } }),
  );
  const repeat = <T>(count: number, send: (index: number) => Promise<T>) =>
    Promise.all(Array.from({ length: count }, (_, index) => send(index)));

  test('24 concurrent edits of a group are all applied', async () => {
    const id = await app.createGroup();
    const edited = await repeat(24, (index) => app.post('/editGroup', { id, group: { duration: index } }));
    expect(edited.map(({ status }) => status)).toStrictEqual(Array(24).fill(200));
    const versions = edited.map(({ body }) => body.data.editGroup.version).toSorted((a, b) => a - b);
    expect(versions).toStrictEqual(Array.from({ length: 24 }, (_, index) => index + 2));
  });

  test('concurrent subscriptions, moves and deletes have a serial result', async () => {
    const [one, other] = [await app.createGroup(), await app.createGroup()];
    const subscribed = await repeat(16, (index) =>
      app.post('/subscribe', { username: `user-${index}`, groupId: one }),
    );
    expect(subscribed.map(({ status }) => status)).toStrictEqual(Array(16).fill(200));
    const moved = await repeat(12, (index) =>
      app.post(
        '/moveSubscribers',
        index % 2 ? { fromGroupId: one, toGroupId: other } : { fromGroupId: other, toGroupId: one },
      ),
    );
    expect(moved.map(({ status }) => status)).toStrictEqual(Array(12).fill(200));
    expect(await app.sql('SELECT count(*)::int FROM subscribers')).toStrictEqual([{ count: 16 }]);

    const ids = await repeat(16, () => app.createGroup());
    const deleted = await Promise.all([...ids, ...ids].map((id) => app.post('/deleteGroup', { id })));
    const statuses = deleted.map(({ status }) => status).toSorted((a, b) => a - b);
    expect(statuses).toStrictEqual([...Array(16).fill(200), ...Array(16).fill(404)]);
  });
});

/** Locks groups and their service groups on another connection while `work` runs. */
async function whileLocked<T>(app: TestApp, ids: readonly number[], work: () => Promise<T>): Promise<T> {
  const holder = new pg.Client({ connectionString: app.url });
  await holder.connect();
  try {
    await holder.query(
      `SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('statement_timeout', 'transaction_timeout')`,
    );
    await holder.query('BEGIN');
    await holder.query('SELECT FROM groups WHERE id = ANY ($1) FOR UPDATE', [ids]);
    await holder.query(
      `SELECT FROM service_groups WHERE id IN (SELECT service_group_id FROM groups WHERE id = ANY ($1)) FOR UPDATE`,
      [ids],
    );
    return await work();
  } finally {
    await holder.end();
  }
}

describe.each([
  ['statement_timeout', '400ms'],
  ['transaction_timeout', '400ms'],
])('in a database with a %s', (setting, value) => {
  let app: TestApp | undefined;
  let isKnown = false;
  beforeAll(async () => {
    const database = await createTestDatabase();
    isKnown = (await database.sql('SELECT FROM pg_settings WHERE name = $1', [setting])).length > 0;
    await database.drop();
    if (isKnown) app = await openTestApp({}, await createTestDatabase({ settings: { [setting]: value } }));
    else
      process.stderr.write(`${setting} is not known to this version of PostgreSQL: its test does nothing\n`);
  });
  afterAll(() => app?.close());

  test('calls that reach the time limit return 503 with Retry-After and change nothing; the next ones succeed', async () => {
    if (!app) return;
    const post: TestApp['post'] = (...args) => app!.post(...args);
    const sql: TestApp['sql'] = (...args) => app!.sql(...args);
    const id = await app.createGroup();
    await post('/subscribe', { username: 'ali', groupId: id });
    const target = await app.createGroup();
    const calls: [string, object][] = [
      ['editGroup', { id, group: { name: 'E' } }],
      ['deleteGroup', { id, moveSubscribersTo: target }],
      ['deleteGroup', { id, dryRun: true, moveSubscribersTo: target }],
      ['deleteGroups', { ids: [id, target] }],
      ['moveSubscribers', { fromGroupId: id, toGroupId: target }],
      ['subscribe', { username: 'bahar', groupId: id }],
    ];
    const state = () =>
      sql(
        'SELECT g.id, g.name, g.version, s.username FROM groups g LEFT JOIN subscribers s ON group_id = g.id ORDER BY 1, 4',
      );
    const before = await state();
    const answers = await whileLocked(app, [id], () =>
      Promise.all(calls.map(([name, args]) => post(`/${name}`, args))),
    );
    for (const { status, headers, body } of answers) {
      expect([status, body.errors[0].extensions]).toStrictEqual([503, { code: 'SERVICE_UNAVAILABLE' }]);
      expect(headers.get('retry-after')).toBe('1');
    }
    expect(await state()).toStrictEqual(before);
    // Audit events of calls that met the database's limits are written after their responses.
    const readOutcomes = async () =>
      (
        await sql(
          `SELECT DISTINCT outcome FROM audit_events WHERE error_code = 'SERVICE_UNAVAILABLE' ORDER BY 1`,
        )
      ).map(({ outcome }) => outcome);
    const deadline = Date.now() + 60_000;
    while ((await readOutcomes()).length < 2 && Date.now() < deadline);
    expect(await readOutcomes()).toStrictEqual(['dry-run', 'refused']);

    expect((await post('/removeUserSubscription', { username: 'ali', groupId: id })).status).toBe(200);
    expect((await post('/deleteGroup', { id })).status).toBe(200);
  });

  test('each of two calls of one request that reach it has an audit event', async () => {
    if (!app) return;
    const { body } = await app.post('/createServiceGroup', { serviceGroup: { name: 'S' } });
    const serviceGroupId = body.data.createServiceGroup.id;
    const ids = [await app.createGroup({ serviceGroupId }), await app.createGroup({ serviceGroupId })];
    const requestId = `both-${setting}`;
    const query = `mutation ($one: Int!, $other: Int!, $group: GroupEdit!) {
      a: editGroup(id: $one, group: { name: "E" }) { id }
      b: editGroup(id: $other, group: { name: "E" }) { id }
      c: createGroup(group: $group) { id }
      d: createGroup(group: $group) { id }
    }`;
    const variables = { one: ids[0], other: ids[1], group: { ...plainGroup, serviceGroupId } };
    const answer = await whileLocked(app, ids, () =>
      app!.post('/graphql', { query, variables }, { 'X-Request-Id': requestId }),
    );
    expect(answer.body.errors.map(({ extensions }: Json) => extensions.code)).toStrictEqual(
      Array(4).fill('SERVICE_UNAVAILABLE'),
    );
    // The events are written after the response.
    const read = () =>
      app!.sql('SELECT operation, target_ids FROM audit_events WHERE request_id = $1 ORDER BY operation, 2', [
        requestId,
      ]);
    await waitUntil(async () => (await read()).length >= 4);
    expect(await read()).toStrictEqual([
      { operation: 'createGroup', target_ids: [] },
      { operation: 'createGroup', target_ids: [] },
      ...ids.map((id) => ({ operation: 'editGroup', target_ids: [String(id)] })),
    ]);
  });

  test('a plain delete that reaches the time limit returns 503 too', async () => {
    if (!app) return;
    const post: TestApp['post'] = (...args) => app!.post(...args);
    const [id, free] = [await app.createGroup(), await app.createGroup()];
    const answers = await whileLocked(app, [id], () =>
      Promise.all([post('/deleteGroup', { id }), post('/deleteGroup', { id: free })]),
    );
    expect(answers.map(({ status }) => status)).toStrictEqual([503, 200]);
  });
});

test('an import whose idle transaction is ended prints one line, and imports nothing', async () => {
  const app = await openTestApp(
    {},
    await createTestDatabase({ settings: { idle_in_transaction_session_timeout: '300ms' } }),
  );
  try {
    const child = spawn(process.execPath, [bin, 'groups', 'import', '-'], {
      cwd,
      env: { PATH: process.env['PATH'], DATABASE_URL: app.url },
    });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdin.on('error', () => undefined);
    const line = JSON.stringify({ kind: 'header', format: 'group-api export', version: 1, exportedAt: 'x' });
    child.stdin.write(`${line}\n`);
    // The session in a transaction is one that has been seen there; it is ended when it is no longer listed.
    const idle = new Set<number>();
    let open: readonly number[];
    do {
      const sessions = await app.sql<{ pid: number; state: string }>(
        `SELECT pid, state FROM pg_stat_activity WHERE application_name = 'group-api:${child.pid}'`,
      );
      for (const { pid, state } of sessions) if (state === 'idle in transaction') idle.add(pid);
      open = sessions.map(({ pid }) => pid);
    } while (idle.size === 0 || [...idle].every((pid) => open.includes(pid)));
    child.stdin.end(
      `${JSON.stringify({ kind: 'end', serviceGroups: 0, groups: 0, subscribers: 0, deletedGroups: 0 })}\n`,
    );
    const [code] = await once(child, 'close');
    expect([code, stderr]).toStrictEqual([1, expect.stringContaining('(SERVICE_UNAVAILABLE)')]);
    expect(stderr).not.toMatch(/^ +at /m);
  } finally {
    await app.close();
  }
});

test('a migration is not subject to the statement_timeout of the database', async () => {
  const database = await createTestDatabase({ isEmpty: true, settings: { statement_timeout: '250ms' } });
  try {
    // The migrations wait for the name of this table for longer than the limit.
    const other = await openSecondConnection(database);
    await other.query('BEGIN; CREATE TABLE service_groups ()');
    const opening = openTestApp({}, database);
    const isWaiting = async () =>
      (
        await database.sql(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND now() - query_start > interval '500 ms'`,
        )
      ).length > 0;
    while (!(await isWaiting()));
    await other.query('ROLLBACK');
    await other.close();
    const app = await opening;
    expect(await app.createGroup()).toBe(1);
    await app.close();
  } catch (error) {
    await database.drop();
    throw error;
  }
});
