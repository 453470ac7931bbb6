import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { createPool } from '../../src/postgres/connection.ts';
import { defaultSchema, searchPathOf } from '../../src/postgres/database-url.ts';

/** A database that only one test file uses. */
export type TestDatabase = {
  readonly url: string;
  /** Runs SQL on a separate connection, to prepare or to read the database's state. */
  readonly sql: <Row = Record<string, unknown>>(text: string, values?: unknown[]) => Promise<Row[]>;
  drop(): Promise<void>;
};

/** PostgreSQL settings by name, as in `ALTER DATABASE … SET`; `schema` is the schema of the tables. */
export type DatabaseSettings = Readonly<Record<string, string>>;

/**
 * The settings of each test database: `TEST_DATABASE_SETTINGS` as `name=value`, separated by semicolons, such as
 * `timezone=Asia/Tehran;default_transaction_isolation=serializable`.
 */
const settingsOfRun: DatabaseSettings = Object.fromEntries(
  (process.env['TEST_DATABASE_SETTINGS'] ?? '')
    .split(';')
    .filter((setting) => setting.includes('='))
    .map((setting) => setting.split('=', 2) as [string, string]),
);

/** A pooler keeps sessions of a database that nothing uses any more. */
const keepsSessions = process.env['TEST_DATABASE_POOLER'] !== undefined;

/** Copies the migrated database that global-setup.js has created; with `isEmpty` it has no tables. */
export async function createTestDatabase({
  isEmpty = false,
  settings = {},
}: { isEmpty?: boolean; settings?: DatabaseSettings } = {}): Promise<TestDatabase> {
  const { TEST_RUN: template, TEST_ADMIN_URL: adminUrl } = process.env;
  const name = `${template}_${randomBytes(6).toString('hex')}`;
  await runAsAdmin(`CREATE DATABASE ${name} ${isEmpty ? '' : `TEMPLATE ${template}`}`);
  const { schema, ...parameters } = { ...settingsOfRun, ...settings };
  for (const [setting, value] of Object.entries(parameters))
    await runAsAdmin(`ALTER DATABASE ${name} SET ${setting} TO ${pg.escapeLiteral(value)}`);

  const url = new URL(adminUrl!);
  url.pathname = `/${name}`;
  if (schema !== undefined) await moveTables(url, schema);
  const database = useTestDatabase(url.href);
  return {
    ...database,
    async drop() {
      await database.drop();
      await runAsAdmin(`DROP DATABASE ${name}${keepsSessions ? ' WITH (FORCE)' : ''}`);
    },
  };
}

/** Moves all tables from `public` to another schema, and adds it to the URL. */
async function moveTables(url: URL, schema: string): Promise<void> {
  const name = pg.escapeIdentifier(schema);
  await run(url.href, `ALTER SCHEMA public RENAME TO ${name}; CREATE SCHEMA public`);
  url.searchParams.set('schema', schema);
}

/** Uses a database that the test file has created otherwise; `drop` closes the connections only. */
export function useTestDatabase(url: string): TestDatabase {
  const pool = createPool({ connectionString: url, max: 4 }, { search_path: searchPathOf(schemaOf(url)) });
  pool.on('error', () => undefined);
  return {
    url,
    sql: async <Row>(text: string, values: unknown[] = []) => (await pool.query(text, values)).rows as Row[],
    drop: () => pool.end(),
  };
}

/** Opens a single connection with its own session, in which unqualified names refer to the schema of the URL. */
export async function openTestConnection(url: string): Promise<pg.Client> {
  const client = new pg.Client(withoutPooler(url));
  await client.connect();
  await client.query("SELECT set_config('search_path', $1, false)", [searchPathOf(schemaOf(url))]);
  return client;
}

/** Returns the URL of a database without the pooler of the run. */
function withoutPooler(url: string): string {
  const { TEST_DIRECT_URL: directUrl } = process.env;
  if (!directUrl) return url;
  const direct = new URL(directUrl);
  direct.pathname = new URL(url).pathname;
  return direct.href;
}

function schemaOf(url: string): string {
  return new URL(url).searchParams.get('schema') ?? defaultSchema;
}

/** Returns the URL with another user. The password is not checked by the PostgreSQL of the tests. */
export function urlAs(role: string, url: string): string {
  const changed = new URL(url);
  if (changed.searchParams.has('user')) changed.searchParams.set('user', role);
  else Object.assign(changed, { username: role, password: 'x' });
  return changed.href;
}

/** Returns the URL of an embedded PostgreSQL's only database. */
export function urlOf({ host, user, database }: pg.ClientConfig): string {
  return `postgresql://localhost/${database}?host=${encodeURIComponent(host!)}&user=${user}`;
}

function runAsAdmin(text: string): Promise<void> {
  return run(process.env['TEST_ADMIN_URL']!, text);
}

async function run(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
