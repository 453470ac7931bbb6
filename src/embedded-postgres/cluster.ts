import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { OperatorError } from '../errors.ts';
import { openConnection } from '../postgres/connection.ts';
import { isAlive } from '../process/is-alive.ts';
import { createCluster, requireMajorVersion, superuser } from './create-cluster.ts';
import { clusterDirOf, createDataDir, port, requireShortSocketPath } from './data-dir.ts';
import { exists } from './folders.ts';
import { findClusterProcess, type ClusterProcess } from './postmaster-lock.ts';
import { findBinaries, type Binaries } from './binaries.ts';
import { findFailure, readLogPosition, startLogOf } from './postgres-log.ts';
import { lastLine, requireServiceUser, run, type RunAs } from './service-user.ts';

/** An embedded PostgreSQL, reached through a Unix socket in its data folder, which other users cannot access. */
export type EmbeddedPostgres = {
  readonly connection: pg.ClientConfig;
  /**
   * Restarts PostgreSQL if it has stopped, and returns the reason from its log; returns undefined if it is running.
   * @throws OperatorError if it cannot be started; the reason of `signal` if that was aborted.
   */
  restart(signal: AbortSignal): Promise<{ readonly reason: string } | undefined>;
  /** Stops PostgreSQL, unless another process still uses it. Close all connections first. */
  close(): Promise<void>;
};

const startTimeoutMs = 30_000;
/** Shorter than the first start: failed restarts are retried, and should be logged soon. */
const restartTimeoutMs = 5000;
/** The limit of crash recovery, while PostgreSQL reports that it is recovering. */
const recoveryTimeoutMs = 10 * 60_000;
/** How long `pg_ctl` waits before we check ourselves. */
const pgCtlTimeoutSeconds = 5;
/** How long connections of a stopped server process may take to close. */
const disconnectTimeoutMs = 5000;
const cannotConnectNow = '57P03';
/** The lock file of the socket, next to the lock file of the data folder. */
const socketLockName = `.s.PGSQL.${port}.lock`;

/** Processes that share an embedded PostgreSQL recognize each other's connections by this prefix. */
const applicationNamePrefix = 'group-api:';
export const applicationName = `${applicationNamePrefix}${process.pid}`;

/**
 * Starts the PostgreSQL in `dataDir`, and creates it first if necessary. Connects to one that is already running, for
 * example because its server was killed. Safe to call concurrently from several processes.
 * @throws OperatorError if there are no binaries for this platform, the folder cannot be used, or `stopSignal` is
 * aborted.
 */
export async function openEmbeddedPostgres(
  dataDir: string,
  stopSignal?: AbortSignal,
): Promise<EmbeddedPostgres> {
  const clusterDir = clusterDirOf(dataDir);
  requireShortSocketPath(dataDir);
  const runAs = process.getuid?.() === 0 ? await requireServiceUser() : undefined;
  const binaries = await findBinaries(runAs);
  await createDataDir(dataDir, runAs);
  if (!(await exists(clusterDir))) await createCluster(dataDir, binaries, runAs);
  await requireMajorVersion(clusterDir);

  const connection = { host: clusterDir, port, user: superuser, database: 'postgres' };
  const cluster = { clusterDir, connection, binaries, runAs };
  const stop = () => run(binaries.pgCtl, ['stop', '-D', clusterDir, '-m', 'fast', '-w'], clusterDir, runAs);
  await start(cluster, startTimeoutMs, stopSignal).catch(async (error: unknown) => {
    // It may be recovering from a crash, which takes longer than anyone waits for a stop.
    if (stopSignal?.aborted && !(await isUsedByOthers(connection))) await stop();
    throw error;
  });
  let logPosition = await readLogPosition(clusterDir);

  return {
    connection,
    async restart(signal) {
      if (!(await connectOnce(connection))) return undefined;
      const reason = await findFailure(clusterDir, logPosition);
      const isStarted = await start(cluster, restartTimeoutMs, signal);
      logPosition = await readLogPosition(clusterDir);
      return isStarted
        ? { reason: reason ?? 'unknown: it was killed, possibly by the system for lack of memory' }
        : undefined;
    },
    async close() {
      // A folder that was moved in the meantime may belong to another server.
      if (!(await exists(clusterDir)) || (await isUsedByOthers(connection))) return;
      await stop();
    },
  };
}

type Cluster = {
  readonly clusterDir: string;
  readonly connection: pg.ClientConfig;
  readonly binaries: Binaries;
  readonly runAs: RunAs;
};

/**
 * Starts PostgreSQL if it is not running in the folder, and waits until it accepts connections. Returns whether this
 * call started it.
 * @throws OperatorError
 */
async function start(
  { clusterDir, connection, binaries, runAs }: Cluster,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<boolean> {
  let deadline = Date.now() + timeoutMs;
  const longestDeadline = Date.now() + recoveryTimeoutMs;
  const logPosition = await readLogPosition(clusterDir);
  let isStarted = false;
  for (let failures = 0; ;) {
    signal?.throwIfAborted();
    const problem = await connectOnce(connection);
    if (!problem) return isStarted;
    const running = isNoListener(problem) ? await findClusterProcess(clusterDir, socketLockName) : undefined;
    // Crash recovery replays the write-ahead log.
    if (problem.code === cannotConnectNow) deadline = Math.min(Date.now() + timeoutMs, longestDeadline);
    if (Date.now() > deadline) throw createNoResponseError(clusterDir, problem, running);
    if (!isNoListener(problem) || running) {
      // PostgreSQL is starting or shutting down.
      await sleep(100);
      continue;
    }
    isStarted = true;
    const { code, output } = await run(
      binaries.pgCtl,
      // A relative socket folder, so that DATA_DIR can be moved.
      [
        'start',
        '-D',
        clusterDir,
        '-l',
        startLogOf(clusterDir),
        '-w',
        '-t',
        String(pgCtlTimeoutSeconds),
        '-o',
        // A cluster of an earlier version has the time zone of the machine in its configuration.
        `-h '' -p ${port} -k . -c timezone=UTC`,
      ],
      clusterDir,
      runAs,
    );
    // The first failure may mean that another process has started it concurrently.
    if (code !== 0 && !(await findClusterProcess(clusterDir, socketLockName)) && ++failures > 1) {
      const reason = (await findFailure(clusterDir, logPosition)) ?? lastLine(output);
      throw new OperatorError(
        `The embedded PostgreSQL failed to start: ${reason}. See the logs in ${clusterDir}/log`,
      );
    }
  }
}

/** Returns whether nothing listens on the socket: PostgreSQL is not running, or does not listen yet. */
function isNoListener({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}

function createNoResponseError(
  clusterDir: string,
  problem: Error,
  running: ClusterProcess | undefined,
): OperatorError {
  const text = `The embedded PostgreSQL in ${clusterDir} does not respond: ${problem.message}`;
  if (!running) return new OperatorError(`${text}. See the logs in ${clusterDir}/log`);
  return new OperatorError(
    running.isCertain
      ? `${text}. It runs as the process ${running.pid}: stop the process, then start again`
      : `${text}. Its file postmaster.pid names the process ${running.pid}, which cannot be inspected. ` +
          'If that process is not the PostgreSQL of this folder, remove the file',
  );
}

/** Returns the error of a connection attempt, or undefined if it succeeded. */
async function connectOnce(connection: pg.ClientConfig): Promise<NodeJS.ErrnoException | undefined> {
  try {
    const client = await openConnection({ ...connection, connectionTimeoutMillis: 2000 });
    await client.end();
    return undefined;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}

async function isUsedByOthers(connection: pg.ClientConfig): Promise<boolean> {
  let client: pg.Client | undefined;
  try {
    client = await openConnection({ ...connection, connectionTimeoutMillis: 2000 });
    for (const deadline = Date.now() + disconnectTimeoutMs; ; await sleep(50)) {
      const { rows } = await client.query<{ pid: number }>(
        `SELECT substr(application_name, length($1) + 1)::int AS pid FROM pg_stat_activity
         WHERE application_name ~ ('^' || $1 || '[0-9]{1,9}$') AND application_name <> $2`,
        [applicationNamePrefix, applicationName],
      );
      if (rows.length === 0) return false;
      // Connections may briefly outlive their process; a process in another container is not visible here.
      if (rows.some(({ pid }) => isAlive(pid)) || Date.now() > deadline) return true;
    }
  } catch {
    // No process uses a PostgreSQL that does not respond.
    return false;
  } finally {
    await client?.end().catch(() => undefined);
  }
}
