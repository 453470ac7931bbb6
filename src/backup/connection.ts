import pg from 'pg';
import { describeEmbedded } from '../database/database.ts';
import { removeTimeLimits } from '../database/time-limits.ts';
import { applicationName, openEmbeddedPostgres } from '../embedded-postgres/cluster.ts';
import { clusterDirOf } from '../embedded-postgres/data-dir.ts';
import { exists } from '../embedded-postgres/folders.ts';
import { AppError, OperatorError } from '../errors.ts';
import { destroySocket } from '../postgres/client.ts';
import { defaultConnectTimeoutMs } from '../postgres/connect-timeout.ts';
import { createPool } from '../postgres/connection.ts';
import { describeConnectionError } from '../postgres/connection-error.ts';
import { readDatabaseUrl, searchPathOf } from '../postgres/database-url.ts';
import { requireServer } from '../postgres/require-server.ts';

/** A database as it is: neither migrated nor otherwise changed. */
export type Connection = {
  /** Of one connection. */
  readonly pool: pg.Pool;
  readonly schema: string;
  /** The location for display, without credentials. */
  readonly description: string;
  readonly postgresVersion: string;
  /** Returns whether the connection has failed, or its session was ended by the server. */
  readonly isLost: () => boolean;
  close(): Promise<void>;
};

/** Which database to connect to: the one at `url`, or else the embedded one in `dataDir`. */
type ConnectionTarget = {
  readonly url: string | undefined;
  readonly dataDir: string;
  /** Rejects an embedded database that does not exist yet, instead of creating it. */
  readonly mustExist?: boolean;
  /** Closes the connection, also in the middle of a statement. */
  readonly signal: AbortSignal;
};

/** Connects to a database; an embedded one is created if necessary. @throws OperatorError if it cannot be used. */
export async function openConnection({
  url,
  dataDir,
  mustExist = false,
  signal,
}: ConnectionTarget): Promise<Connection> {
  if (mustExist && url === undefined && !(await exists(clusterDirOf(dataDir)))) {
    throw new OperatorError(
      `There is no database in ${dataDir}. Set DATA_DIR, or DATABASE_URL, to that of the server; commands read .env in ` +
        'their working directory',
    );
  }
  const embedded = url === undefined ? await openEmbeddedPostgres(dataDir, signal) : undefined;
  const target = embedded ? describeEmbedded(embedded, dataDir) : readDatabaseUrl(url!);
  const { description, schema } = target;
  const pool = createPool(
    {
      application_name: applicationName,
      connectionTimeoutMillis: defaultConnectTimeoutMs,
      ...target.connection,
      max: 1,
      idleTimeoutMillis: 0,
      keepAlive: true,
    },
    { search_path: searchPathOf(schema) },
  );
  // The query that uses the connection rejects with the error.
  pool.on('error', () => undefined);
  const clients = new Set<pg.PoolClient>();
  let isLost = false;
  pool.on('connect', (client) => {
    clients.add(client);
    client.on('error', () => (isLost = true));
  });
  const abort = () => clients.forEach((client) => destroySocket(client));
  signal.addEventListener('abort', abort);
  const close = async () => {
    signal.removeEventListener('abort', abort);
    await pool.end();
    await embedded?.close();
  };
  try {
    signal.throwIfAborted();
    const { version: postgresVersion } = await requireServer(pool, target);
    return { pool, schema, description, postgresVersion, isLost: () => isLost, close };
  } catch (error) {
    await close();
    throw error instanceof OperatorError
      ? error
      : new OperatorError(describeConnectionError(error, description));
  }
}

/**
 * The settings of a transaction that reads or writes COPY text: the text depends on no setting of the server, and
 * row-level security hides no row.
 */
const transactionSettings = `
  SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL IntervalStyle = 'postgres';
  SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL client_encoding = 'UTF8';
  SET LOCAL row_security = off; SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0`;
type TransactionOptions = {
  readonly begin: string;
  readonly tables: readonly string[];
  readonly lockMode: string;
};

/**
 * Runs `work` in one transaction, which is all that it needs of a pooler, and commits it. The tables, in SQL, are
 * locked before the snapshot of the transaction, so that no migration changes them in between. An error rolls back
 * everything.
 */
export async function inTransaction<T>(
  pool: pg.Pool,
  { begin, tables, lockMode }: TransactionOptions,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  // pg rejects a COPY in pipeline mode, in which a client of a pooler may be between transactions.
  const mode = { pipeline: 'pipeline' in client && client.pipeline };
  Object.assign(client, { pipeline: false });
  let failure: Error | undefined;
  try {
    await client.query(
      `${begin}; ${transactionSettings}; LOCK TABLE ${tables.join(', ')} IN ${lockMode} MODE`,
    );
    await client.query(removeTimeLimits);
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    failure = error as Error;
    throw error;
  } finally {
    // A connection in the middle of a COPY cannot execute a ROLLBACK: closing it rolls back. In pipeline mode pg would
    // wait for the end of the COPY before it closes it.
    if (failure === undefined) Object.assign(client, mode);
    client.release(failure);
  }
}

/** Converts the error of a lost connection, or of a full disk, to an OperatorError; returns any other unchanged. */
export function explainLostConnection(error: unknown, { description, isLost }: Connection): unknown {
  if (error instanceof OperatorError || error instanceof AppError) return error;
  const { code = '', message } = error as Partial<pg.DatabaseError>;
  const isOfServer = error instanceof pg.DatabaseError && /^(53|57|58)/.test(code);
  return isOfServer || isLost() ? new OperatorError(`${description} ended the work: ${message}`) : error;
}
