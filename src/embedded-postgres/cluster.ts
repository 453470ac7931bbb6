import { constants } from 'node:fs';
import { access, chown, mkdir, readFile, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { OperatorError } from '../errors.ts';
import { openConnection } from '../postgres/connection.ts';
import { isAlive } from '../process/is-alive.ts';
import { exists, renameOrDiscard } from './folders.ts';
import { findClusterProcess, type ClusterProcess } from './postmaster-lock.ts';
import { findBinaries, isBinariesCopy, type Binaries } from './binaries.ts';
import { findFailure, readLogPosition, startLogOf } from './postgres-log.ts';
import { canEnter, lastLine, requireServiceUser, run, serviceUser, type RunAs } from './service-user.ts';

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

const majorVersion = '18';
const superuser = 'postgres';
const port = 5432;
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
/** The length of `sun_path` on the strictest platform, without the terminating NUL. */
const maxSocketPathBytes = 103;

/** Processes that share an embedded PostgreSQL recognize each other's connections by this prefix. */
const applicationNamePrefix = 'group-api:';
export const applicationName = `${applicationNamePrefix}${process.pid}`;

/** Returns the folder of the embedded PostgreSQL's cluster. */
export function clusterDirOf(dataDir: string): string {
  return join(dataDir, 'postgres');
}

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
  if (!(await exists(clusterDir))) await initialise(dataDir, clusterDir, binaries, runAs);
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

function requireShortSocketPath(dataDir: string): void {
  const socketPath = join(clusterDirOf(dataDir), `.s.PGSQL.${port}`);
  if (Buffer.byteLength(socketPath) <= maxSocketPathBytes) return;
  throw new OperatorError(
    `DATA_DIR must be a shorter path: ${socketPath} has more than ${maxSocketPathBytes} bytes`,
  );
}

/**
 * Checks that PostgreSQL can use a folder, before anything is created. `runAs` is the user that runs PostgreSQL, if not
 * the current one.
 * @throws OperatorError
 */
export async function requireUsableDataDir(dataDir: string, runAs: RunAs): Promise<void> {
  requireShortSocketPath(dataDir);
  try {
    const folder = await findExisting(dataDir);
    if (!(await stat(folder)).isDirectory()) throw new Error(`${folder} is not a folder`);
    await access(folder, constants.W_OK);
    if (runAs) await requireAccessible(dataDir, runAs);
  } catch (error) {
    throw dataDirError(error);
  }
}

async function requireAccessible(dataDir: string, runAs: NonNullable<RunAs>): Promise<void> {
  // Only the owner of the folder itself is changed, not that of its parents.
  const parent = await findExisting(dirname(dataDir));
  if (!(await canEnter(parent, runAs)))
    throw new Error(
      `the user ${serviceUser} cannot enter ${parent}. Allow access to it, or choose another DATA_DIR`,
    );
  if (!(await exists(dataDir)) || (await canChangeOwner(dataDir))) return;
  if ((await stat(dataDir)).uid !== runAs.uid)
    throw new Error(`it is neither empty nor owned by the user ${serviceUser}`);
}

/** Only an empty folder gets another owner: any other, such as /srv or /home, may belong to someone else. */
async function canChangeOwner(dataDir: string): Promise<boolean> {
  return (await readdir(dataDir)).every(isBinariesCopy);
}

async function createDataDir(dataDir: string, runAs: RunAs): Promise<void> {
  await requireUsableDataDir(dataDir, runAs);
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o755 });
    if (runAs && (await canChangeOwner(dataDir))) await chown(dataDir, runAs.uid, runAs.gid);
  } catch (error) {
    throw dataDirError(error);
  }
}

function dataDirError(error: unknown): OperatorError {
  return new OperatorError(`DATA_DIR must be a writable folder: ${(error as Error).message}`);
}

/** Returns the path itself if it exists, or its closest existing parent. */
export async function findExisting(path: string): Promise<string> {
  return (await exists(path)) ? path : findExisting(dirname(path));
}

async function initialise(
  dataDir: string,
  clusterDir: string,
  binaries: Binaries,
  runAs: RunAs,
): Promise<void> {
  // Created under a temporary name and then renamed: a killed start leaves no partial cluster, and one of two racing
  // starts wins.
  const prefix = 'postgres.unfinished-';
  for (const name of await readdir(dataDir)) {
    if (!name.startsWith(prefix)) continue;
    const pid = Number(name.slice(prefix.length));
    // A folder with our own pid is left by a killed start: in a container the pid is always the same.
    if (pid === process.pid || !isAlive(pid)) await rm(join(dataDir, name), { recursive: true, force: true });
  }
  const unfinished = join(dataDir, `${prefix}${process.pid}`);
  const runInitdb = (lcCtype: string) =>
    run(
      binaries.initdb,
      [
        `--pgdata=${unfinished}`,
        `--username=${superuser}`,
        // Safe: only the owner of the data can access the folder of the socket, mode 0700.
        '--auth-local=trust',
        '--auth-host=reject',
        '--encoding=UTF8',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--locale=C',
        `--lc-ctype=${lcCtype}`,
        // PostgreSQL's own log: one file per weekday, overwritten after a week.
        ...[
          'timezone=UTC',
          'logging_collector=on',
          'log_filename=postgresql-%a.log',
          'log_truncate_on_rotation=on',
        ].flatMap((parameter) => ['--set', parameter]),
      ],
      dataDir,
      runAs,
    );
  // pg_trgm classifies letters by LC_CTYPE. Fall back to C (ASCII letters only) if the system has no C.UTF-8.
  let { code, output } = await runInitdb('C.UTF-8');
  if (code !== 0) ({ code, output } = await runInitdb('C'));
  if (code !== 0) {
    throw new OperatorError(
      `The embedded PostgreSQL could not be created in ${dataDir}: ${lastLine(output)}. ` +
        `Check that ${runAs ? `the user ${serviceUser}` : 'the current user'} can access the path, or choose another DATA_DIR`,
    );
  }
  await renameOrDiscard(unfinished, clusterDir);
}

async function requireMajorVersion(clusterDir: string): Promise<void> {
  const version = (await readFile(join(clusterDir, 'PG_VERSION'), 'utf8')).trim();
  if (version !== majorVersion) {
    throw new OperatorError(
      `${clusterDir} was created by PostgreSQL ${version}, but this version of group-api has PostgreSQL ${majorVersion}. ` +
        'Dump it with the version of group-api that created it, then load it into an empty DATA_DIR',
    );
  }
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
