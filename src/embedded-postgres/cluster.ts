import { constants } from 'node:fs';
import { access, chown, mkdir, readFile, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { OperatorError } from '../errors.ts';
import { openConnection } from '../database/connection.ts';
import { exists, moveInto } from './folders.ts';
import { findFolderHolder, type FolderHolder } from './postmaster-lock.ts';
import { findBinaries, isBinariesCopy, type Binaries } from './binaries.ts';
import { findFailure, readLogPosition, startLogOf } from './postgres-log.ts';
import { canEnter, lastLine, requireServiceUser, run, serviceUser, type RunAs } from './service-user.ts';

/** A PostgreSQL of our own, reached through a Unix socket in its data folder, which nobody else can enter. */
export type EmbeddedPostgres = {
  readonly connection: pg.ClientConfig;
  /**
   * Starts PostgreSQL if it has ended, and returns why, as far as its log says so; nothing if it has not ended.
   * @throws OperatorError if it cannot be started; the reason of `signal`, if that was aborted.
   */
  startAgain(signal: AbortSignal): Promise<{ readonly reason: string } | undefined>;
  /** Stops PostgreSQL, unless another server process still uses it. Close your own connections first. */
  close(): Promise<void>;
};

const majorVersion = '18';
const superuser = 'postgres';
const port = 5432;
const startTimeoutMs = 30_000;
/** Shorter where it is tried again anyway: the log says sooner what is wrong. */
const restartTimeoutMs = 5000;
/** How long it may recover from a crash, for as long as it says that it does. */
const recoveryTimeoutMs = 10 * 60_000;
/** How long `pg_ctl` waits, before we look for ourselves. */
const pgCtlTimeoutSeconds = 5;
/** How long the connections of a server that has ended may take to go. */
const goodbyeTimeoutMs = 2000;
const cannotConnectNow = '57P03';
/** The lock file of the socket, next to that of the folder. */
const socketLockName = `.s.PGSQL.${port}.lock`;
/** The length of `sun_path` on the strictest platform, less the closing NUL. */
const maxSocketPathBytes = 103;

/** The marks by which processes that share one embedded PostgreSQL know each other. */
const applicationNamePrefix = 'group-api:';
export const applicationName = `${applicationNamePrefix}${process.pid}`;

/** Where the embedded PostgreSQL keeps its files, once it has been made. */
export function clusterDirOf(dataDir: string): string {
  return join(dataDir, 'postgres');
}

/**
 * Starts the PostgreSQL in `dataDir`, creating it there at first; one that is already running, for example because
 * its server was killed, is taken up as it is. Safe against another process that does the same at the same time.
 * @throws OperatorError where there are no binaries for this platform, or the folder cannot be used.
 */
export async function openEmbeddedPostgres(dataDir: string): Promise<EmbeddedPostgres> {
  const clusterDir = clusterDirOf(dataDir);
  requireShortSocketPath(dataDir);
  const runAs = process.getuid?.() === 0 ? await requireServiceUser() : undefined;
  const binaries = await findBinaries(runAs);
  await createDataDir(dataDir, runAs);
  if (!(await exists(clusterDir))) await initialise(dataDir, clusterDir, binaries, runAs);
  await requireMajorVersion(clusterDir);

  const connection = { host: clusterDir, port, user: superuser, database: 'postgres' };
  const cluster = { clusterDir, connection, binaries, runAs };
  await start(cluster, startTimeoutMs);
  let logPosition = await readLogPosition(clusterDir);

  return {
    connection,
    async startAgain(signal) {
      if (!(await connectOnce(connection))) return undefined;
      const reason = await findFailure(clusterDir, logPosition);
      const isStarted = await start(cluster, restartTimeoutMs, signal);
      logPosition = await readLogPosition(clusterDir);
      return isStarted ? { reason: reason ?? 'unknown: it was killed, or its machine ended it' } : undefined;
    },
    async close() {
      // A folder that was moved meanwhile is another one's.
      if (!(await exists(clusterDir)) || (await isUsedByOthers(connection))) return;
      await run(binaries.pgCtl, ['stop', '-D', clusterDir, '-m', 'fast', '-w'], clusterDir, runAs);
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
 * Refuses a folder that PostgreSQL cannot have, before anything is made. `runAs` is who runs it, where that is another user.
 * @throws OperatorError
 */
export async function requireUsableDataDir(dataDir: string, runAs: RunAs): Promise<void> {
  requireShortSocketPath(dataDir);
  try {
    const place = await findExisting(dataDir);
    if (!(await stat(place)).isDirectory()) throw new Error(`${place} is not a folder`);
    await access(place, constants.W_OK);
    if (runAs) await requireOpenTo(runAs, dataDir);
  } catch (error) {
    throw explainUnusable(error);
  }
}

async function requireOpenTo(runAs: NonNullable<RunAs>, dataDir: string): Promise<void> {
  // The folder itself is handed over; those above stay as they are.
  const above = await findExisting(dirname(dataDir));
  if (!(await canEnter(above, runAs)))
    throw new Error(
      `the user ${serviceUser} cannot enter ${above}. Open the path to it, or choose another DATA_DIR`,
    );
  if (!(await exists(dataDir)) || (await isToHandOver(dataDir))) return;
  if ((await stat(dataDir)).uid !== runAs.uid)
    throw new Error(`it is neither empty nor owned by the user ${serviceUser}`);
}

/** A folder with something in it may be anybody's, /srv or /home; it does not change hands. */
async function isToHandOver(dataDir: string): Promise<boolean> {
  return (await readdir(dataDir)).every(isBinariesCopy);
}

async function createDataDir(dataDir: string, runAs: RunAs): Promise<void> {
  await requireUsableDataDir(dataDir, runAs);
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o755 });
    if (runAs && (await isToHandOver(dataDir))) await chown(dataDir, runAs.uid, runAs.gid);
  } catch (error) {
    throw explainUnusable(error);
  }
}

function explainUnusable(error: unknown): OperatorError {
  return new OperatorError(`DATA_DIR must be a folder that can be written: ${(error as Error).message}`);
}

/** The folder itself, or the next one above that exists. */
export async function findExisting(path: string): Promise<string> {
  return (await exists(path)) ? path : findExisting(dirname(path));
}

async function initialise(
  dataDir: string,
  clusterDir: string,
  binaries: Binaries,
  runAs: RunAs,
): Promise<void> {
  // Made aside and then renamed, so that a killed start leaves no half-made cluster, and one of two racing starts wins.
  const prefix = 'postgres.unfinished-';
  for (const name of await readdir(dataDir)) {
    if (!name.startsWith(prefix)) continue;
    const pid = Number(name.slice(prefix.length));
    // One of our own id is of a killed start: in a container it had the same.
    if (pid === process.pid || !isAlive(pid)) await rm(join(dataDir, name), { recursive: true, force: true });
  }
  const unfinished = join(dataDir, `${prefix}${process.pid}`);
  const runInitdb = (letters: string) =>
    run(
      binaries.initdb,
      [
        `--pgdata=${unfinished}`,
        `--username=${superuser}`,
        // Whoever can enter the folder of the socket, mode 0700, is the owner of the data anyway.
        '--auth-local=trust',
        '--auth-host=reject',
        '--encoding=UTF8',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--locale=C',
        `--lc-ctype=${letters}`,
        // PostgreSQL's own log: a file a weekday, each begun anew a week later.
        ...[
          'timezone=UTC',
          'logging_collector=on',
          'log_filename=postgresql-%a.log',
          'log_truncate_on_rotation=on',
        ].flatMap((each) => ['--set', each]),
      ],
      dataDir,
      runAs,
    );
  // By the system's locale trigrams know what a letter is. Where it has none for that, only Latin ones are.
  let { code, output } = await runInitdb('C.UTF-8');
  if (code !== 0) ({ code, output } = await runInitdb('C'));
  if (code !== 0) {
    throw new OperatorError(
      `The embedded PostgreSQL could not be created in ${dataDir}: ${lastLine(output)}. ` +
        `Is the path open to the user "${runAs ? serviceUser : 'that runs this'}"? Else choose another DATA_DIR`,
    );
  }
  await moveInto(unfinished, clusterDir);
}

async function requireMajorVersion(clusterDir: string): Promise<void> {
  const version = (await readFile(join(clusterDir, 'PG_VERSION'), 'utf8')).trim();
  if (version !== majorVersion) {
    throw new OperatorError(
      `${clusterDir} was made by PostgreSQL ${version}, and this is ${majorVersion}. ` +
        'Dump it with the version of group-api that made it, then load it into an empty DATA_DIR',
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
 * Starts PostgreSQL if none runs in the folder, and waits until it can be used. Returns whether it was started here.
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
    const holder = isNoListener(problem) ? await findFolderHolder(clusterDir, socketLockName) : undefined;
    // It replays what it had not written to its tables when it was killed.
    if (problem.code === cannotConnectNow) deadline = Math.min(Date.now() + timeoutMs, longestDeadline);
    if (Date.now() > deadline) throw describeHolder(clusterDir, problem, holder);
    if (!isNoListener(problem) || holder) {
      // It is starting or shutting down.
      await sleep(100);
      continue;
    }
    isStarted = true;
    const { code, output } = await run(
      binaries.pgCtl,
      // A relative socket folder, so that the whole of DATA_DIR can be moved.
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
        // A cluster of an earlier version has the machine's zone in its configuration.
        `-h '' -p ${port} -k . -c timezone=UTC`,
      ],
      clusterDir,
      runAs,
    );
    // The first failure may mean that another process was quicker.
    if (code !== 0 && !(await findFolderHolder(clusterDir, socketLockName)) && ++failures > 1) {
      const reason = (await findFailure(clusterDir, logPosition)) ?? lastLine(output);
      throw new OperatorError(
        `The embedded PostgreSQL did not start: ${reason}. See the logs in ${clusterDir}/log`,
      );
    }
  }
}

/** Nothing listens on the socket: no PostgreSQL runs, or it has not got that far. */
function isNoListener({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}

function describeHolder(clusterDir: string, problem: Error, holder: FolderHolder | undefined): OperatorError {
  const what = `The embedded PostgreSQL in ${clusterDir} does not answer: ${problem.message}`;
  if (!holder) return new OperatorError(`${what}. See the logs in ${clusterDir}/log`);
  return new OperatorError(
    holder.isCertain
      ? `${what}. It is the process ${holder.pid}: end that, then start again`
      : `${what}. Its file postmaster.pid names the process ${holder.pid}, which may be one and cannot be looked at. ` +
          'If that is no PostgreSQL of this folder, remove the file',
  );
}

/** Returns why no connection could be made, or nothing if one could. */
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
    for (const deadline = Date.now() + goodbyeTimeoutMs; ; await sleep(50)) {
      const { rows } = await client.query<{ pid: number }>(
        `SELECT substr(application_name, length($1) + 1)::int AS pid FROM pg_stat_activity
         WHERE application_name ~ ('^' || $1 || '[0-9]{1,9}$') AND application_name <> $2`,
        [applicationNamePrefix, applicationName],
      );
      if (rows.length === 0) return false;
      // The connections of one that has just ended may outlive it; one in another container is not seen here.
      if (rows.some(({ pid }) => isAlive(pid)) || Date.now() > deadline) return true;
    }
  } catch {
    // It does not answer, so nobody else is using it either.
    return false;
  } finally {
    await client?.end().catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
