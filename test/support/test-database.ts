import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { createPool } from '../../src/database/connection.ts';

/** A database of the test file's own. */
export type TestDatabase = {
  readonly url: string;
  /** Runs SQL beside the server, to prepare a state or to read it back. */
  sql<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>;
  drop(): Promise<void>;
};

/** Settings of PostgreSQL by name, as `ALTER DATABASE … SET` takes them. */
export type DatabaseSettings = Readonly<Record<string, string>>;

/**
 * The settings that each test database has: `TEST_DATABASE_SETTINGS` as `name=value`, separated by semicolons, such as
 * `timezone=Asia/Tehran;default_transaction_isolation=serializable`.
 */
const settingsOfRun: DatabaseSettings = Object.fromEntries(
  (process.env['TEST_DATABASE_SETTINGS'] ?? '')
    .split(';')
    .filter((each) => each.includes('='))
    .map((each) => each.split('=', 2) as [string, string]),
);

/** Copies the migrated database that global-setup.js made; `isEmpty` leaves out even the tables. */
export async function createTestDatabase({
  isEmpty = false,
  settings = {},
}: { isEmpty?: boolean; settings?: DatabaseSettings } = {}): Promise<TestDatabase> {
  const { TEST_RUN: run, TEST_ADMIN_URL: adminUrl } = process.env;
  const name = `${run}_${randomBytes(6).toString('hex')}`;
  await runAsAdmin(`CREATE DATABASE ${name} ${isEmpty ? '' : `TEMPLATE ${run}`}`);
  for (const [setting, value] of Object.entries({ ...settingsOfRun, ...settings }))
    await runAsAdmin(`ALTER DATABASE ${name} SET ${setting} TO ${pg.escapeLiteral(value)}`);

  const url = new URL(adminUrl!);
  url.pathname = `/${name}`;
  const database = useTestDatabase(url.href);
  return {
    ...database,
    async drop() {
      await database.drop();
      await runAsAdmin(`DROP DATABASE ${name}`);
    },
  };
}

/** A database that the test file has made by other means; `drop` leaves it there. */
export function useTestDatabase(url: string): TestDatabase {
  const pool = createPool({ connectionString: url, max: 4 });
  pool.on('error', () => undefined);
  return {
    url,
    sql: async <Row>(text: string, values: unknown[] = []) => (await pool.query(text, values)).rows as Row[],
    drop: () => pool.end(),
  };
}

/** The URL of an embedded PostgreSQL's only database. */
export function urlOf({ host, user, database }: pg.ClientConfig): string {
  return `postgresql://localhost/${database}?host=${encodeURIComponent(host!)}&user=${user}`;
}

async function runAsAdmin(text: string): Promise<void> {
  const admin = new pg.Client({ connectionString: process.env['TEST_ADMIN_URL'] });
  await admin.connect();
  try {
    await admin.query(text);
  } finally {
    await admin.end();
  }
}
