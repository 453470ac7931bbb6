import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createAutodialerClient } from '../support/autodialer.ts';
import { digestTables, listTables, readParts, readSequences, withoutRestore } from '../support/backup.ts';
import { createCommandLine } from '../support/command-line.ts';
import { future } from '../support/probes.ts';
import { openTestApp, useTestApp } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { useTestFolder } from '../support/test-folder.ts';

const app = useTestApp({ RADIUS_RATE_UNIT: 'kbit/s' });
const folder = useTestFolder();
const file = join(folder, 'plans.backup');
const here = createCommandLine(() => app);
const numbers = createAutodialerClient(() => app);

/** Characters that COPY text, JSON or a shell might change. */
const oddText = 'tab\tline\nreturn\rback\\slash \\N \\. "quotes" \'\' 🎁 علی ﷽ e\u0301 \u2028';

/** Fills each table, by the API where it can. */
beforeAll(async () => {
  const serviceGroup = { name: 'Family', language: 'فارسی', discount: 12.345678901234567 };
  const created = await app.post('/createServiceGroup', { serviceGroup }, { 'Idempotency-Key': 'once' });
  const serviceGroupId = created.body.data.createServiceGroup.id;
  const full = await app.createGroup({
    name: 'Full "quoted" \\ ',
    description: 'tab\tline\n\\N \\. 🎁',
    price: '123456789012.3457',
    usernamePostfix: '',
    ip: '2001:db8::/32',
    serviceGroupId,
  });
  const other = await app.createGroup();
  const moved = await app.createGroup({ name: 'Moved' });
  const purged = await app.createGroup();
  await app.post('/subscribe', { groupId: full, username: 'علی', expiresAt: future });
  await app.post('/subscribe', { groupId: moved, username: 'Zoë' });
  await app.sql(`INSERT INTO subscribers VALUES ($1, 'ended', '0001-01-01Z', '2020-01-01Z')`, [other]);
  await app.post('/removeUserSubscription', { groupId: other, username: 'ended' });
  await app.post('/deleteGroup', { id: moved, moveSubscribersTo: other, reason: 'why\n\tnot' });
  await app.post('/deleteGroup', { id: purged });
  await app.post('/purgeDeletedGroup', { id: purged });
  const removedNumbers = await numbers.addGroup({ name: 'removed' });
  await numbers.call('remove', { _id: removedNumbers });
  await numbers.addGroup({ name: 'numbers', numbers: ['1111', '2222'] });
  await app.sql(
    `INSERT INTO subscriber_history (group_id, username, starts_at, removed_at) VALUES (7, $1, '9999-12-31Z', '0001-01-01Z')`,
    [oddText],
  );
  // Disabled, so that no server sends anything.
  await app.sql(
    `WITH endpoint AS (
       INSERT INTO webhook_endpoints (url, secret, cursor, disabled_at)
       VALUES ('https://example.com/', 'whsec_', '0-0', now()) RETURNING id
     )
     INSERT INTO webhook_deliveries (endpoint_id, event_id, event_type, event_at, order_key, data)
     SELECT id, '1-0-0', 'group.deleted', now(), 'group 1', to_jsonb($1::text) FROM endpoint`,
    [oddText],
  );
  await app.sql(`INSERT INTO radius_feed (cursor, sender, sender_until) VALUES ('1-0', $1, now())`, [
    oddText,
  ]);
  await app.sql(
    `INSERT INTO radius_deliveries (event_id, event_type, event_at, username, session_id, unique_id, nas_address, must_disconnect)
     VALUES ('1-0-0', 'subscriber.removed', now(), $1, $1, $1, '10.0.0.1', true)`,
    [oddText],
  );
  // Rolled back by `prisma migrate`, with an error that it has logged.
  await app.sql(
    `INSERT INTO _prisma_migrations (id, checksum, migration_name, logs, rolled_back_at)
     VALUES ('1', '2', '0001_groups', $1, '2020-01-01T00:00:00.123456Z')`,
    [oddText],
  );
  expect(await here.run('backup', file)).toMatchObject({ code: 0, stderr: '' });
});

let restored: TestDatabase;
beforeAll(async () => {
  restored = await createTestDatabase({ isEmpty: true });
});
afterAll(() => restored.drop());

test('a backup has each table and sequence of the schema, and every table of this test has rows', async () => {
  const [header] = readParts(await readFile(file));
  const { tables, sequences } = header!.record;
  const names = tables.map(({ name }: { name: string }) => name);
  expect(names.toSorted()).toStrictEqual(await listTables(app));
  expect(sequences.map(({ name }: { name: string }) => name)).toStrictEqual(
    Object.keys(await readSequences(app)),
  );
  for (const [name, digest] of Object.entries(await digestTables(app)))
    expect([name, digest]).not.toStrictEqual([name, expect.objectContaining({ rows: 0 })]);
});

test('a backup has a readable header, and a file that only its owner may read', async () => {
  const [header] = readParts(await readFile(file));
  expect(header!.record).toMatchObject({
    kind: 'header',
    format: 'group-api backup',
    version: 1,
    createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
    postgresVersion: expect.stringMatching(/^\d+\.\d+/),
    migrations: expect.arrayContaining(['0001_groups']),
  });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test('a restore into an empty database gives the same tables and sequences, and prints what it restored', async () => {
  const before = { tables: await digestTables(app), sequences: await readSequences(app) };
  const there = createCommandLine(() => restored);
  const { code, stdout, stderr } = await there.run('restore', file, '--json');
  expect([code, stderr]).toStrictEqual([0, '']);
  expect(await digestTables(restored, withoutRestore)).toStrictEqual(before.tables);
  expect(await readSequences(restored)).toStrictEqual({
    ...before.sequences,
    audit_events_id_seq: {
      ...before.sequences.audit_events_id_seq,
      last_value: String(Number(before.sequences.audit_events_id_seq.last_value) + 1),
    },
  });

  const [header] = readParts(await readFile(file));
  const summary = JSON.parse(stdout);
  expect(summary).toStrictEqual({
    database: expect.stringMatching(/^PostgreSQL at /),
    applied: [],
    createdAt: header!.record.createdAt,
    postgresVersion: header!.record.postgresVersion,
    lastMigration: header!.record.migrations.at(-1),
    tables: expect.any(Array),
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  const rows = summary.tables.map((table: { name: string; rows: number }) => [table.name, table.rows]);
  expect(Object.fromEntries(rows)).toStrictEqual(
    Object.fromEntries(
      Object.entries(before.tables as Record<string, { rows: number }>).map(([name, digest]) => [
        name,
        digest.rows,
      ]),
    ),
  );
  const [event] = await restored.sql(
    `SELECT account, outcome, after FROM audit_events WHERE operation = 'restore'`,
  );
  expect(event).toMatchObject({
    account: expect.stringMatching(/^command-line:/),
    outcome: 'done',
    after: { createdAt: summary.createdAt, lastMigration: summary.lastMigration },
  });
  // The statistics of the planner.
  expect(await restored.sql(`SELECT FROM pg_stats WHERE tablename = 'subscribers'`)).not.toHaveLength(0);
});

test('a server on the restored database accepts the same key, and assigns ids after those of the backup', async () => {
  const [last] = await app.sql<{ id: number }>('SELECT last_value::int AS id FROM groups_id_seq');
  const database = await createTestDatabase({ isEmpty: true });
  const there = createCommandLine(() => database);
  expect(await there.run('restore', file)).toMatchObject({ code: 0, stderr: '' });
  const server = await openTestApp({}, database);
  expect(await server.createGroup()).toBe(last!.id + 1);
  await server.close();
});
