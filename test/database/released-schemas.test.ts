import { expect, test } from '@jest/globals';
import pg from 'pg';
import { migrate, readMigrations } from '../../src/database/migrations.ts';
import { createOlderDatabase } from '../support/older-database.ts';
import { openTestApp, plainGroup, type Json } from '../support/test-app.ts';
import { useTestDatabase, type TestDatabase } from '../support/test-database.ts';

/** Rows of each table as a version with this migration has stored them. */
const rowsSince: Readonly<Record<string, readonly string[]>> = {
  '0001_groups': [
    `INSERT INTO service_groups (name, discount) VALUES ('Family', 12.5)`,
    `INSERT INTO groups (name, tag_name, duration, price, ip, service_group_id) SELECT 'Plan ' || n, 'old', n, 9.9 + n, 'STATIC',
       CASE WHEN n % 2 = 0 THEN 1 END FROM generate_series(1, 50) n`,
    `DELETE FROM groups WHERE id = 50`,
  ],
  '0002_trusted_deletion': [
    `INSERT INTO subscribers (group_id, username, starts_at, expires_at)
       SELECT n, 'user ' || n, now() - interval '2 days', CASE WHEN n % 3 = 0 THEN now() - interval '1 day' END
       FROM generate_series(1, 40) n`,
    // Also times that no clock has shown yet: an import may bring them.
    `INSERT INTO subscriber_history (group_id, username, starts_at, removed_at)
       SELECT n, 'former ' || n, '2020-01-01Z', '2020-02-01Z'::timestamptz + n * interval '60 days' FROM generate_series(1, 60) n`,
    `INSERT INTO deleted_groups (id, group_row, deleted_at, deleted_by, purge_at)
       SELECT 60, group_row(groups) || '{"id": 60}', now(), 'admin', now() + interval '30 days' FROM groups WHERE id = 1`,
    `INSERT INTO audit_events (at, account, credential, address, request_id, operation, target_ids, outcome, before)
       SELECT '2025-01-01Z'::timestamptz + n * interval '1 day', 'admin', 'api-key', '127.0.0.1', 'r' || n, 'editGroup',
         ARRAY[n::text], 'done', '{"name": "Before"}' FROM generate_series(1, 400) n`,
    `INSERT INTO idempotency_keys (account, operation, key, fingerprint, response) VALUES ('admin', 'createGroup', 'k', 'f', '{"id": 1}')`,
  ],
  '0003_accounts': [`INSERT INTO accounts (username, scopes) VALUES ('shop', '{groups:read}')`],
  '0004_number_groups': [
    `INSERT INTO number_lists (count, unused_since) VALUES (1, NULL)`,
    `INSERT INTO number_list_chunks (list_id, position, numbers) VALUES (1, 0, '{1111}')`,
    `INSERT INTO number_groups (id, name, count, list_id) VALUES (repeat('a', 24), 'Numbers', 1, 1)`,
  ],
  '0008_moved_subscribers': [
    `INSERT INTO moved_subscribers (deleted_group_id, username, starts_at) VALUES (60, 'user 1', now())`,
  ],
};

const migrationNames = (await readMigrations()).map(({ name }) => name);

/** The rows of all tables, by table, in a stable order. */
async function readRows(database: TestDatabase): Promise<Record<string, Json[]>> {
  const tables = await database.sql<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
       AND NOT relispartition AND relname NOT IN ('_prisma_migrations', 'api_keys')`,
  );
  const rows: Record<string, Json[]> = {};
  for (const { name } of tables) {
    const found = await database.sql<{ row: Json }>(`SELECT to_jsonb(t) AS row FROM ${name} t ORDER BY 1`);
    rows[name] = found.map(({ row }) => row);
  }
  return rows;
}

// Those that belong to one release too: a migration may be interrupted between them.
test.each(migrationNames)(
  'a database of the version with %s migrates: each row stays, and new ids follow the last ones',
  async (last) => {
    const database = await createOlderDatabase(last, rowsSince);
    const pool = new pg.Pool({ connectionString: database.url, max: 4 });
    try {
      const lastIndex = migrationNames.indexOf(last);
      const before = await readRows(database);
      const [lastEvent] = await database.sql<{ exists: boolean }>(
        `SELECT to_regclass('audit_events') IS NOT NULL AS exists`,
      );

      expect(await migrate(pool)).toStrictEqual(migrationNames.slice(lastIndex + 1));

      const after = await readRows(database);
      for (const [table, rows] of Object.entries(before)) {
        expect(after[table]).toHaveLength(rows.length);
        expect(after[table]).toStrictEqual(
          expect.arrayContaining(rows.map((row) => expect.objectContaining(withoutKeys(row)))),
        );
      }
      const app = await openTestApp(
        { DATABASE_URL: database.url },
        { ...useTestDatabase(database.url), url: database.url },
      );
      try {
        expect((await app.post('/createGroup', { group: plainGroup })).body.data.createGroup.id).toBe(51);
        expect((await app.post('/deleteGroup', { id: 49 })).status).toBe(200);
        const { body } = await app.post('/auditEvents', { first: 200 });
        const ids = body.data.auditEvents.nodes.map(({ id }: Json) => Number(id));
        const firstNewId = lastEvent!.exists ? 401 : 1;
        expect(ids.slice(0, 2).every((id: number) => id >= firstNewId)).toBe(true);
        expect(ids).toStrictEqual(ids.toSorted((a: number, b: number) => b - a));
      } finally {
        await app.close();
      }
    } finally {
      await pool.end();
      await database.drop();
    }
  },
);

test('the partitioned tables have the grants and the owner of the older ones, also if a superuser migrates', async () => {
  const suffix = Math.random().toString(36).slice(2, 8);
  const [owner, reader] = [`test_owner_${suffix}`, `test_reader_${suffix}`];
  const database = await createOlderDatabase('0008_moved_subscribers', rowsSince);
  const pool = new pg.Pool({ connectionString: database.url, max: 4 });
  const tables = ['audit_events', 'subscriber_history'];
  const describe = () =>
    database.sql(
      `SELECT relname, relowner::regrole::text AS owner, privilege_type, is_grantable, grantee::regrole::text
       FROM pg_class, aclexplode(relacl) WHERE relname = ANY ($1) ORDER BY relname, grantee::regrole::text, privilege_type`,
      [tables],
    );
  try {
    await database.sql(`CREATE ROLE ${owner}; CREATE ROLE ${reader}; GRANT CREATE, USAGE ON SCHEMA public TO ${owner};
      ALTER TABLE audit_events OWNER TO ${owner}; ALTER TABLE subscriber_history OWNER TO ${owner};
      GRANT SELECT, INSERT ON audit_events TO ${reader}; GRANT SELECT ON subscriber_history TO ${reader} WITH GRANT OPTION`);
    const before = await describe();
    expect(before.length).toBeGreaterThan(0);
    await migrate(pool);
    expect(await describe()).toStrictEqual(before);
    await database.sql(`DROP TABLE ${(await lastPartition(database))!}; SET ROLE ${reader};
      SELECT create_month_partitions('audit_events'); SELECT id FROM audit_events; RESET ROLE`);
    expect(await lastPartition(database)).toMatch(/^audit_events_\d{4}_\d\d$/);
  } finally {
    await pool.end();
    await database.sql(`DROP OWNED BY ${owner}, ${reader} CASCADE; DROP ROLE ${owner}, ${reader}`);
    await database.drop();
  }
});

/** Returns the name of the latest partition of the audit log. */
async function lastPartition(database: TestDatabase): Promise<string | undefined> {
  const [last] = await database.sql<{ name: string }>(
    `SELECT partition::text AS name FROM month_partitions('audit_events') ORDER BY until DESC NULLS LAST LIMIT 1`,
  );
  return last?.name;
}

/** Derived columns, which a migration may derive anew. */
function withoutKeys({ name_key: _name, description_key: _description, ...row }: Json): object {
  return row;
}
