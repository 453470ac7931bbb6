import { createHash } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';
import { StartError } from '../errors.ts';
import { PrismaClient } from '../generated/prisma/client.ts';
import type { Logger } from '../log.ts';
import { createPool } from './connection.ts';
import { applicationName, openEmbeddedPostgres } from './embedded-postgres.ts';
import { keepRunning } from './keep-running.ts';
import { migrate } from './migrate.ts';
import { plannedForItsValues } from './statement-mark.ts';
import { withUnavailability } from './unavailability.ts';
import { watchDatabase } from './watch.ts';

/** A migrated database, ready for the repositories. */
export type Database = {
  readonly prisma: PrismaClient;
  /** Where it is, for a person: without credentials. */
  readonly description: string;
  /** The migrations that it lacked when it was opened, and now has. */
  readonly migrations: readonly string[];
  /** Tells whether the database answers within two seconds. */
  readonly isReady: () => Promise<boolean>;
  close(): Promise<void>;
};

/** PostgreSQL 14, as its `server_version_num`. */
const oldestServerVersion = 140_000;
/** How long a call looks for a database before it answers that there is none: well under five seconds. */
const connectTimeoutMs = 3000;
const readyTimeoutMs = 2000;
/** How long a statement waits for a row that another one holds, so that a few such rows do not hold up everybody. */
const lockTimeoutMs = 3000;

/**
 * Opens the database at `url`, or an embedded one in `dataDir` where there is no URL, and migrates it. An embedded one that ends by
 * itself is started again if `isKeptRunning`.
 * @throws StartError that says what to do where it cannot be reached or is too old.
 */
export async function openDatabase(
  {
    url,
    dataDir,
    poolSize,
    isKeptRunning = false,
  }: { url: string | undefined; dataDir: string; poolSize: number; isKeptRunning?: boolean },
  log: Logger,
): Promise<Database> {
  const embedded = url === undefined ? await openEmbeddedPostgres(dataDir) : undefined;
  const description = url === undefined ? `embedded PostgreSQL in ${dataDir}` : describeUrl(url);
  const connection = {
    ...(embedded?.connection ?? { connectionString: url }),
    application_name: applicationName,
  };
  const pool = createPool(
    {
      ...connection,
      max: poolSize,
      connectionTimeoutMillis: connectTimeoutMs,
      // Connections are kept: opening one costs as much as several deletes.
      idleTimeoutMillis: 0,
      keepAlive: true,
    },
    { lock_timeout: String(lockTimeoutMs) },
  );
  // An idle connection that breaks is replaced at its next use; without a listener it would end us all.
  pool.on('error', (error) => log.warn({ reason: error.message }, 'a database connection was lost'));

  let migrations: string[];
  try {
    await requireServer(pool, description);
    migrations = await migrate(pool);
    if (migrations.length > 0) log.info({ migrations }, 'migrated the database');
  } catch (error) {
    await pool.end();
    await embedded?.close();
    throw error;
  }

  const keeper = embedded && isKeptRunning ? keepRunning(embedded, log) : undefined;
  const watch = watchDatabase(pool, connection, log, () => keeper?.look());
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool, { statementNameGenerator: nameStatement }) });
  return {
    prisma: withUnavailability(prisma),
    description,
    migrations,
    isReady: () => isReady(pool),
    async close() {
      await watch.close();
      await keeper?.close();
      await prisma.$disconnect();
      await pool.end();
      await embedded?.close();
    },
  };
}

type Server = { readonly number: number; readonly version: string; readonly encoding: string };

/** Answers the version of a server that will do. @throws StartError that says what to put right. */
export async function requireServer(pool: pg.Pool, description: string): Promise<string> {
  let server: Server;
  try {
    const { rows } = await pool.query<Server>(
      `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
         current_setting('server_encoding') AS encoding`,
    );
    server = rows[0]!;
  } catch (error) {
    const reason = (error as Error).message || (error as NodeJS.ErrnoException).code;
    throw new StartError(
      `Cannot connect to ${description}: ${reason}. Check that the server runs and that DATABASE_URL is right`,
    );
  }
  if (server.number < oldestServerVersion) {
    throw new StartError(`${description} has version ${server.version}: PostgreSQL 14 or newer is needed`);
  }
  if (server.encoding !== 'UTF8') {
    throw new StartError(
      `${description} is encoded in ${server.encoding}: create the database with ENCODING 'UTF8'`,
    );
  }
  return server.version;
}

/** Names each statement by its text, so that PostgreSQL parses and plans it once a connection. */
function nameStatement({ sql }: { sql: string }): string {
  if (sql.includes(plannedForItsValues)) return '';
  let name = statementNames.get(sql);
  if (!name) {
    name = createHash('sha256').update(sql).digest('base64url').slice(0, 32);
    // Statements with lists of varying length would fill the memory, here and in PostgreSQL.
    if (statementNames.size < maxStatementNames) statementNames.set(sql, name);
    else return '';
  }
  return name;
}
const statementNames = new Map<string, string>();
const maxStatementNames = 500;

async function isReady(pool: pg.Pool): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => (timer = setTimeout(resolve, readyTimeoutMs, false)));
  const answer = pool.query('SELECT 1').then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([answer, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** Where a database is, without credentials. */
export function describeUrl(url: string): string {
  const { hostname, port, pathname, searchParams } = new URL(url);
  const host = searchParams.get('host') ?? (hostname || 'localhost');
  return `PostgreSQL at ${decodeURIComponent(host)}${port ? `:${port}` : ''}${pathname}`;
}
