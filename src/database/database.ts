import { createHash } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';
import { OperatorError } from '../errors.ts';
import { PrismaClient } from '../generated/prisma/client.ts';
import type { Logger } from '../log.ts';
import { createPool } from './connection.ts';
import { describeConnectionError } from './connection-error.ts';
import { defaultSchema, readDatabaseUrl, searchPathOf, type DatabaseUrl } from './database-url.ts';
import {
  applicationName,
  openEmbeddedPostgres,
  type EmbeddedPostgres,
} from '../embedded-postgres/cluster.ts';
import { keepRunning } from '../embedded-postgres/keep-running.ts';
import { migrate } from './migrations.ts';
import { findReadOnlyReason } from './read-only.ts';
import { requireServer } from './require-server.ts';
import { loadRowDefaults } from './row-defaults.ts';
import { plannedForItsValues } from './prepared-statements.ts';
import { toUnavailability, withUnavailability } from './database-errors.ts';
import { watchDatabase } from './connection-watchdog.ts';

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

/** How long a call looks for a database before it answers that there is none: well under five seconds. */
const connectTimeoutMs = 3000;
const readyTimeoutMs = 2000;
/** How long a statement waits for a row that another one holds, so that a few such rows do not hold up everybody. */
const lockTimeoutMs = 3000;

/** Which database to open, and how. */
export type DatabaseLocation = {
  readonly url: string | undefined;
  readonly dataDir: string;
  readonly poolSize: number;
  /** Whether a database that accepts no changes is rejected, even if nothing is to be migrated. */
  readonly mustBeWritable?: boolean;
  /** Whether an embedded one that ends by itself is started again. */
  readonly isKeptRunning?: boolean;
};

/**
 * Opens the database at `url`, or an embedded one in `dataDir` where there is no URL, and migrates it.
 * @throws OperatorError that says what to do where it cannot be reached or is too old.
 */
export async function openDatabase(
  { url, dataDir, poolSize, mustBeWritable = false, isKeptRunning = false }: DatabaseLocation,
  log: Logger,
): Promise<Database> {
  const embedded = url === undefined ? await openEmbeddedPostgres(dataDir) : undefined;
  const target = embedded ? describeEmbedded(embedded, dataDir) : readDatabaseUrl(url!);
  const { description, schema } = target;
  const connection = { application_name: applicationName, ...target.connection };
  const pool = createPool(
    {
      ...connection,
      max: poolSize,
      connectionTimeoutMillis: connectTimeoutMs,
      // Connections are kept: opening one costs as much as several deletes.
      idleTimeoutMillis: 0,
      keepAlive: true,
    },
    { lock_timeout: String(lockTimeoutMs), search_path: searchPathOf(schema) },
  );
  // An idle connection that breaks is replaced at its next use; without a listener it would end us all.
  pool.on('error', (error) => log.warn({ reason: error.message }, 'a database connection was lost'));

  let migrations: string[];
  try {
    await requireServer(pool, target);
    if (mustBeWritable) await requireWritable(pool, description);
    migrations = await migrate(pool, schema);
    if (migrations.length > 0) log.info({ migrations }, 'migrated the database');
    await loadRowDefaults(pool);
  } catch (error) {
    await pool.end();
    await embedded?.close();
    throw explainUnavailable(error, description);
  }

  const keeper = embedded && isKeptRunning ? keepRunning(embedded, log) : undefined;
  const watch = watchDatabase(pool, connection, log, () => keeper?.look());
  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool, { schema, statementNameGenerator: nameStatement }),
  });
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

/** The embedded PostgreSQL in the form of a URL's parts. */
export function describeEmbedded({ connection }: EmbeddedPostgres, dataDir: string): DatabaseUrl {
  return { description: `embedded PostgreSQL in ${dataDir}`, schema: defaultSchema, connection };
}

/** @throws OperatorError */
async function requireWritable(pool: pg.Pool, description: string): Promise<void> {
  const reason = await findReadOnlyReason(pool);
  if (reason !== undefined) throw new OperatorError(`${description} cannot be written. ${reason}`);
}

/** A connection that is lost during the start is nothing that a stack would explain. */
function explainUnavailable(error: unknown, description: string): unknown {
  return toUnavailability(error) === error
    ? error
    : new OperatorError(describeConnectionError(error, description));
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
