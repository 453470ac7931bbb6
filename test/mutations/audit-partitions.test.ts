import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { openTestApp, plainGroup, useTestApp, type TestApp } from '../support/test-app.ts';
import { createTestDatabase, useTestDatabase } from '../support/test-database.ts';
import { waitUntil } from '../support/wait-until.ts';

const app = useTestApp();
const { run, environment } = createCommandLine(() => app);

const tables = ['audit_events', 'subscriber_history'] as const;
const insertEvent = `INSERT INTO audit_events (at, account, credential, address, request_id, operation, target_ids, outcome)
  VALUES ($1, 'past', 'api-key', '127.0.0.1', 'past', 'editGroup', ARRAY['1'], 'done') RETURNING tableoid::regclass::text AS name`;
const listPartitions = async (table: string) =>
  (
    await app.sql<{ name: string }>(
      `SELECT partition::text AS name FROM month_partitions($1) ORDER BY until NULLS FIRST, 1`,
      [table],
    )
  ).map(({ name }) => name);
/** The name of the partition of a month from now, such as `audit_events_2030_01`. */
const partitionOf = (table: string, months: number) => {
  const date = new Date();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + months);
  return `${table}_${date.toISOString().slice(0, 7).replace('-', '_')}`;
};
/** Adds the months before the first partition of a new database, which has all older rows, as a database of some years has. */
const addMonthsOf2024 = async (table: (typeof tables)[number], database: Pick<TestApp, 'sql'> = app) => {
  const [first] = await database.sql<{ bound: string }>(
    `SELECT pg_get_expr(relpartbound, oid) AS bound FROM pg_class WHERE relname = $1`,
    [`${table}_before_partitions`],
  );
  const until = /TO \(('[^']+')\)/.exec(first!.bound)![1]!;
  await database.sql(`ALTER TABLE ${table} DETACH PARTITION ${table}_before_partitions;
    DROP TABLE ${table}_before_partitions;
    CREATE TABLE ${table}_2024_01 PARTITION OF ${table} FOR VALUES FROM ('2024-01-01Z') TO ('2024-02-01Z');
    CREATE TABLE ${table}_2024_02 PARTITION OF ${table} FOR VALUES FROM ('2024-02-01Z') TO ('2024-03-01Z');
    CREATE TABLE ${table}_2024_03 PARTITION OF ${table} FOR VALUES FROM ('2024-03-01Z') TO (${until})`);
};
const days = (since: string) => String(Math.floor((Date.now() - Date.parse(since)) / 86_400_000));

test.each(tables)(
  '%s has the partitions of the next months and one for all other times; a server adds missing ones',
  async (table) => {
    const expected = [
      `${table}_default`,
      `${table}_before_partitions`,
      partitionOf(table, 2),
      partitionOf(table, 3),
    ];
    expect(await listPartitions(table)).toStrictEqual(expected);

    await app.sql(`DROP TABLE ${partitionOf(table, 2)}, ${partitionOf(table, 3)}`);
    const other = await openTestApp({ DATABASE_URL: app.url }, useTestDatabase(app.url));
    try {
      await waitUntil(async () => (await listPartitions(table)).length === 4);
    } finally {
      await other.close();
    }
    expect(await listPartitions(table)).toStrictEqual(expected);
  },
);

test.each(tables)(
  'a month of %s that is missing between others gets its partition; a month whose rows are in the default partition, and those that a retention has dropped, do not',
  async (table) => {
    const own = await createTestDatabase();
    try {
      await addMonthsOf2024(table, own);
      const time = table === 'audit_events' ? 'at' : 'removed_at';
      await own.sql(`DROP TABLE ${table}_2024_02, ${table}_2024_03, ${partitionOf(table, 2)}`);
      await own.sql(
        table === 'audit_events'
          ? insertEvent
          : `INSERT INTO subscriber_history (group_id, username, starts_at, removed_at) VALUES (1, 'past', '2020-01-01', $1)`,
        ['2024-03-05Z'],
      );
      const { sql } = own;
      const months = async () =>
        (
          await sql<{ name: string }>(`SELECT partition::text AS name FROM month_partitions($1)`, [table])
        ).map(({ name }) => name);
      await sql('SELECT create_month_partitions($1)', [table]);
      const created = await months();
      expect(created).toContain(partitionOf(table, 2));
      expect(created).toContain(`${table}_2024_02`);
      expect(created).not.toContain(`${table}_2024_03`);
      expect(created).not.toContain(`${table}_2023_12`);
      expect(created).toContain(partitionOf(table, 0));
      expect(await sql('SELECT create_month_partitions($1) AS count', [table])).toStrictEqual([{ count: 0 }]);
      expect(
        await sql(`SELECT tableoid::regclass::text AS name FROM ${table} WHERE ${time} < '2025-01-01Z'`),
      ).toStrictEqual([{ name: `${table}_default` }]);
      if (table === 'audit_events')
        await expect(sql(`DELETE FROM ${partitionOf(table, 2)}`)).rejects.toThrow(
          'audit_events is append-only',
        );
    } finally {
      await own.drop();
    }
  },
);

test('without the partition of its month an event is stored in the default partition, and is on the pages', async () => {
  const at = new Date(Date.now() + 300 * 86_400_000).toISOString();
  expect(await app.sql(insertEvent, [at])).toStrictEqual([{ name: 'audit_events_default' }]);
  const { body } = await app.post('/auditEvents', { filter: { account: 'past', from: at } });
  expect(body.data.auditEvents.nodes).toHaveLength(1);
});

test.each([
  ['UPDATE', "SET outcome = 'done'"],
  ['DELETE FROM', ''],
  ['TRUNCATE', ''],
])('%s on a partition of the audit log is rejected, also on one that was added later', async (verb, rest) => {
  await app.sql(`DROP TABLE IF EXISTS ${partitionOf('audit_events', 3)}`);
  await app.sql(`SELECT create_month_partitions('audit_events')`);
  const partitions = await listPartitions('audit_events');
  expect(partitions).toHaveLength(4);
  for (const name of ['audit_events', ...partitions])
    await expect(app.sql(`${verb} ${name} ${rest}`)).rejects.toThrow('audit_events is append-only');
});

test('create_month_partitions rejects any other table, although it has the rights of the owner', async () => {
  await app.sql(`CREATE TABLE others (at timestamptz) PARTITION BY RANGE (at);
    CREATE SCHEMA other; CREATE TABLE other.audit_events (at timestamptz)`);
  for (const table of ['others', 'other.audit_events', 'groups'])
    await expect(app.sql('SELECT create_month_partitions($1)', [table])).rejects.toThrow(
      'must be audit_events or subscriber_history',
    );
  await app.sql('DROP TABLE others; DROP SCHEMA other CASCADE');
});

test('the retention drops whole months of the audit log and of the history, with an audit event, and no younger row', async () => {
  for (const table of tables) await addMonthsOf2024(table);
  for (const at of ['2024-01-31T23:59:59Z', '2024-02-10Z', '2024-03-01Z']) {
    await app.sql(insertEvent, [at]);
    await app.sql(
      `INSERT INTO subscriber_history (group_id, username, starts_at, removed_at) VALUES (1, 'past', '2020-01-01', $1)`,
      [at],
    );
  }
  Object.assign(environment, {
    // The last moment of February is 20 days younger than this.
    AUDIT_RETENTION_DAYS: days('2024-02-20Z'),
    SUBSCRIBER_HISTORY_RETENTION_DAYS: days('2024-03-05Z'),
  });
  const planned = await run('partitions', '--dry-run', '--json');
  expect(JSON.parse(planned.stdout)).toMatchObject({ created: 0, isDryRun: true });
  expect(JSON.parse(planned.stdout).dropped.map(({ name }: { name: string }) => name)).toStrictEqual([
    'audit_events_2024_01',
    'subscriber_history_2024_01',
    'subscriber_history_2024_02',
  ]);
  expect(await listPartitions('audit_events')).toContain('audit_events_2024_01');

  const { stdout, stderr, code } = await run('partitions');
  expect([stdout, stderr, code]).toStrictEqual([
    'Created 0, dropped: audit_events_2024_01, subscriber_history_2024_01, subscriber_history_2024_02\n',
    '',
    0,
  ]);
  const times = async (sql: string) => (await app.sql<{ at: Date }>(sql)).map(({ at }) => at.toISOString());
  expect(
    await times(`SELECT at FROM audit_events WHERE account = 'past' AND at < now() ORDER BY at`),
  ).toStrictEqual(['2024-02-10T00:00:00.000Z', '2024-03-01T00:00:00.000Z']);
  expect(await times('SELECT removed_at AS at FROM subscriber_history')).toStrictEqual([
    '2024-03-01T00:00:00.000Z',
  ]);
  const { body } = await app.post('/auditEvents', { filter: { operation: 'partitions' } });
  expect(body.data.auditEvents.nodes).toMatchObject([
    { targetIds: ['subscriber_history_2024_01', 'subscriber_history_2024_02'], outcome: 'done' },
    { targetIds: ['audit_events_2024_01'], outcome: 'done', credential: 'command-line' },
  ]);
  expect((await run('partitions')).stdout).toBe('Created 0, dropped: none\n');
});

test('servers that start with a retention drop the expired months once', async () => {
  const own = await openTestApp();
  try {
    await addMonthsOf2024('audit_events', own);
    const settings = { DATABASE_URL: own.url, AUDIT_RETENTION_DAYS: 30 };
    const servers = await Promise.all(
      [1, 2, 3].map(() => openTestApp(settings, { ...useTestDatabase(own.url), url: own.url })),
    );
    const dropped = () => own.sql(`SELECT target_ids FROM audit_events WHERE operation = 'partitions'`);
    await waitUntil(async () => (await dropped()).length > 0);
    for (const server of servers) await server.close();
    expect(await dropped()).toStrictEqual([{ target_ids: ['audit_events_2024_01', 'audit_events_2024_02'] }]);
  } finally {
    await own.close();
  }
});

test('the documented role has partitions created for it, and can neither drop nor change any', async () => {
  const own = await openTestApp();
  const role = `group_api_test_role_${Math.random().toString(36).slice(2, 8)}`;
  const document = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const [, grants] = /```sql\n([^]*?)```/.exec(document)!;
  await own.sql(grants!.replaceAll('group_api', role).replace('…', 'test'));
  const url = new URL(own.url);
  if (url.searchParams.has('user')) url.searchParams.set('user', role);
  else url.username = role;
  url.password = 'test';
  const limited = useTestDatabase(url.href);
  try {
    await addMonthsOf2024('audit_events', own);
    await own.sql(`DROP TABLE ${partitionOf('audit_events', 3)}`);
    const settings = { DATABASE_URL: url.href, AUDIT_RETENTION_DAYS: 30 };
    const server = await openTestApp(settings, { ...limited, url: url.href, drop: async () => undefined });
    const isCreated = async () =>
      (await own.sql('SELECT to_regclass($1)::text AS name', [partitionOf('audit_events', 3)]))[0]![
        'name'
      ] !== null;
    await waitUntil(isCreated);
    expect((await server.post('/createGroup', { group: plainGroup })).status).toBe(200);
    // The clean-up summarizes the BRIN indexes, which belong to the owner, before it creates partitions.
    const [current] = await own.sql<{ name: string }>(
      `SELECT tableoid::regclass::text AS name FROM audit_events WHERE operation = 'createGroup'`,
    );
    await own.sql(`ALTER TABLE ${current!.name} SET (autovacuum_enabled = off);
      INSERT INTO audit_events (account, credential, address, request_id, operation, target_ids, outcome)
      SELECT repeat('x', 1000), 'api-key', '127.0.0.1', 'r', 'editGroup', ARRAY['1'], 'done' FROM generate_series(1, 3000);
      DROP TABLE ${partitionOf('audit_events', 3)}`);
    await server.close();
    const again = await openTestApp(settings, { ...limited, url: url.href, drop: async () => undefined });
    await waitUntil(isCreated);
    await again.close();
    expect(
      await own.sql(
        `SELECT sum(brin_summarize_new_values(indexrelid))::int AS new FROM pg_index
         WHERE indrelid = $1::regclass AND pg_get_indexdef(indexrelid) LIKE '%USING brin%'`,
        [current!.name],
      ),
    ).toStrictEqual([{ new: 0 }]);

    const command = createCommandLine(() => ({ url: url.href }));
    command.environment['AUDIT_RETENTION_DAYS'] = '30';
    const rejection = /does not own audit_events.*: run this command with the URL of the owner\n$/;
    for (const args of [['partitions'], ['subscribers', 'erase', 'ali', '--yes']])
      expect(await command.run(...args)).toStrictEqual({
        stdout: '',
        stderr: expect.stringMatching(rejection),
        code: 1,
      });
    for (const sql of [
      'DROP TABLE audit_events_2024_01',
      'DELETE FROM audit_events_2024_01',
      'SELECT FROM audit_events_2024_01',
    ])
      await expect(limited.sql(sql)).rejects.toThrow(/permission denied|must be owner/);
    await expect(
      limited.sql(
        `SELECT set_config('group_api.erasure', 'on', false); UPDATE audit_events SET reason = 'x'`,
      ),
    ).rejects.toThrow('permission denied');
    expect(await own.sql(`SELECT FROM audit_events WHERE operation = 'partitions'`)).toStrictEqual([]);
  } finally {
    await limited.drop();
    await own.sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await own.close();
  }
});
