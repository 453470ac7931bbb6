import { createHash } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';
import { OperatorError } from '../errors.ts';
import { PrismaClient } from '../generated/prisma/client.ts';
import { tracer } from '../measurements/tracer.ts';
import { summarizeStatement } from './statement-summary.ts';
import type { Logger } from '../log.ts';
import { defaultConnectTimeoutMs } from '../postgres/connect-timeout.ts';
import { createPool } from '../postgres/connection.ts';
import { describeConnectionError } from '../postgres/connection-error.ts';
import { defaultSchema, readDatabaseUrl, searchPathOf, type DatabaseUrl } from '../postgres/database-url.ts';
import {
  applicationName,
  openEmbeddedPostgres,
  type EmbeddedPostgres,
} from '../embedded-postgres/cluster.ts';
import { keepRunning } from '../embedded-postgres/keep-running.ts';
import { migrate } from './migrations.ts';
import { findReadOnlyReason } from './read-only.ts';
import { requireServer, type ServerInfo } from '../postgres/require-server.ts';
import { readOnlyTransaction } from '../postgres/sql-states.ts';
import { loadRowDefaults } from './row-json.ts';
import { customPlan } from './prepared-statements.ts';
import { sqlStateOf } from './prisma-error.ts';
import { toUnavailableError } from './database-errors.ts';
import { isStandby, watchDatabase, type DatabaseState } from './connection-watchdog.ts';
import { trackConnections } from './pool-connections.ts';

/** A migrated database, ready for the repositories. */
export type Database = {
  readonly prisma: PrismaClient;
  /** The location for display, without credentials. */
  readonly description: string;
  /** The migrations that were applied while opening the database. */
  readonly migrations: readonly string[];
  /** Returns the state of the database; `unavailable` if it does not respond within two seconds. */
  readonly readState: () => Promise<DatabaseState>;
  /** Returns the state that the watchdog has found last, and the numbers of connections, without a query. */
  readonly readPool: () => PoolState;
  close(): Promise<void>;
};

/** The connections of the pool, and the queries that wait for one. */
export type PoolState = {
  readonly state: DatabaseState;
  readonly total: number;
  readonly idle: number;
  readonly waiting: number;
  readonly maximum: number;
};

const readyTimeoutMs = 2000;
/** The time to wait for a row lock, so that a few locked rows do not block all connections. */
const lockTimeoutMs = 3000;

/** Which database to open, and how. */
type DatabaseLocation = {
  readonly url: string | undefined;
  readonly dataDir: string;
  readonly poolSize: number;
  /** Prepares statements by name, unless a pooler does not keep them. If unset, true. */
  readonly hasPreparedStatements?: boolean;
  /** Rejects a read-only database, even if no migrations are pending. */
  readonly mustBeWritable?: boolean;
  /** Restarts an embedded PostgreSQL that stops unexpectedly. */
  readonly isKeptRunning?: boolean;
  /** Receives lines about a long migration instead of the log. */
  readonly report?: (line: string) => void;
  /** Ends the opening, which may wait for another server's migration or for PostgreSQL's recovery. */
  readonly signal?: AbortSignal;
};

/**
 * Opens the database at `url`, or an embedded PostgreSQL in `dataDir` if `url` is unset, and applies pending
 * migrations.
 * @throws OperatorError if the server is unreachable, too old or otherwise unusable.
 */
export async function openDatabase(location: DatabaseLocation, log: Logger): Promise<Database> {
  const { url, dataDir, poolSize, hasPreparedStatements = true } = location;
  const { mustBeWritable = false, isKeptRunning = false, report, signal } = location;
  const embedded = url === undefined ? await openEmbeddedPostgres(dataDir, signal) : undefined;
  const target = embedded ? describeEmbedded(embedded, dataDir) : readDatabaseUrl(url!);
  const { description, schema, sessionSettings } = target;
  const connection = { application_name: applicationName, ...target.connection };
  const pool = createPool(
    {
      connectionTimeoutMillis: defaultConnectTimeoutMs,
      ...connection,
      max: poolSize,
      // Idle connections stay open: opening one costs as much as several deletes.
      idleTimeoutMillis: 0,
      keepAlive: true,
    },
    { ...sessionSettings, lock_timeout: String(lockTimeoutMs), search_path: searchPathOf(schema) },
  );
  // A lost idle connection is replaced at its next use; without an 'error' listener the process would crash.
  pool.on('error', (error) => log.warn({ reason: error.message }, 'a database connection was lost'));

  const connections = trackConnections(pool);
  const abort = () => connections.destroy();
  signal?.addEventListener('abort', abort);

  let migrations: string[];
  let server: ServerInfo;
  try {
    signal?.throwIfAborted();
    server = await requireServer(pool, target);
    if (mustBeWritable) await requireWritable(pool, description);
    if (hasPreparedStatements && !server.keepsNamedStatements) {
      log.info('the pooler does not keep prepared statements: none is prepared by name');
    }
    migrations = await migrate(pool, schema, report ?? ((line) => log.info(line)));
    if (migrations.length > 0) log.info({ migrations }, 'migrated the database');
    await loadRowDefaults(pool);
  } catch (error) {
    await pool.end();
    await embedded?.close();
    throw signal?.aborted ? new OperatorError('Stopped') : explainUnavailable(error, description);
  } finally {
    signal?.removeEventListener('abort', abort);
  }

  const restarter = embedded && isKeptRunning ? keepRunning(embedded, log) : undefined;
  const watchdog = watchDatabase(connections, connection, log, () => restarter?.check());
  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool, {
      schema,
      ...(hasPreparedStatements && server.keepsNamedStatements && { statementNameGenerator: nameStatement }),
    }),
  });
  return {
    prisma: withUnavailableErrors(prisma, () => watchdog.reportStandby()),
    description,
    migrations,
    async readState() {
      // Also the state of the pool, since its connections may lead elsewhere than that of the watchdog.
      const state = await readState(pool);
      if (state === 'standby') watchdog.reportStandby();
      return state === 'available' && watchdog.state() === 'standby' ? 'standby' : state;
    },
    readPool: () => ({
      state: watchdog.state(),
      total: pool.totalCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
      maximum: poolSize,
    }),
    async close() {
      await watchdog.close();
      await restarter?.close();
      await prisma.$disconnect();
      await pool.end();
      await embedded?.close();
    },
  };
}

/** Describes the embedded PostgreSQL like a parsed URL. */
export function describeEmbedded({ connection }: EmbeddedPostgres, dataDir: string): DatabaseUrl {
  const description = `embedded PostgreSQL in ${dataDir}`;
  return { description, schema: defaultSchema, connection, sessionSettings: {} };
}

/** @throws OperatorError if the database is read-only. */
async function requireWritable(pool: pg.Pool, description: string): Promise<void> {
  const reason = await findReadOnlyReason(pool);
  if (reason !== undefined) throw new OperatorError(`Cannot write to ${description}. ${reason}`);
}

/** Converts a lost connection to an OperatorError, since its stack would not help. */
function explainUnavailable(error: unknown, description: string): unknown {
  return toUnavailableError(error) === error
    ? error
    : new OperatorError(describeConnectionError(error, description));
}

/**
 * Extends a client so that queries fail with SERVICE_UNAVAILABLE if the database is unavailable. Other errors are
 * unchanged. Calls `onReadOnly` if a statement was rejected since the database is a standby or set to read-only.
 */
function withUnavailableErrors(prisma: PrismaClient, onReadOnly: () => void): PrismaClient {
  const rethrow = (error: unknown): never => {
    if (sqlStateOf(error) === readOnlyTransaction) onReadOnly();
    throw toUnavailableError(error);
  };
  return prisma.$extends({
    query: {
      $allOperations({ model, operation, args, query }) {
        if (!tracer) return query(args).catch(rethrow);
        const summary = summarizeStatement(model, operation, args);
        // Within the span, which notes the converted error.
        return tracer.runStatement<unknown>(summary, () => query(args).catch(rethrow));
      },
    },
  }) as unknown as PrismaClient; // Prisma's type for an extended client omits nothing that we use.
}

/** Names each statement after its text, so that PostgreSQL parses and plans it once per connection. */
function nameStatement({ sql }: { sql: string }): string {
  if (sql.includes(customPlan)) return '';
  let name = statementNames.get(sql);
  if (!name) {
    name = createHash('sha256').update(sql).digest('base64url').slice(0, 32);
    // Limit memory use, here and in PostgreSQL: statements with lists of varying length have unlimited texts.
    if (statementNames.size < maxStatementNames) statementNames.set(sql, name);
    else return '';
  }
  return name;
}
const statementNames = new Map<string, string>();
const maxStatementNames = 500;

async function readState(pool: pg.Pool): Promise<DatabaseState> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<DatabaseState>(
    // Later than a response that has arrived while the event loop was blocked.
    (resolve) => (timer = setTimeout(() => setImmediate(resolve, 'unavailable'), readyTimeoutMs)),
  );
  const response = isStandby(pool).then(
    (isReadOnly): DatabaseState => (isReadOnly ? 'standby' : 'available'),
    (): DatabaseState => 'unavailable',
  );
  try {
    return await Promise.race([response, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
