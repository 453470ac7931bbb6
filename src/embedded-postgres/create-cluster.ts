import { readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorError } from '../errors.ts';
import { isAlive } from '../process/is-alive.ts';
import type { Binaries } from './binaries.ts';
import { clusterDirOf } from './data-dir.ts';
import { renameOrDiscard } from './folders.ts';
import { lastLine, run, serviceUser, type RunAs } from './service-user.ts';

const majorVersion = '18';
export const superuser = 'postgres';

/** Creates the cluster in a data folder with `initdb`. @throws OperatorError */
export async function createCluster(dataDir: string, binaries: Binaries, runAs: RunAs): Promise<void> {
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
  await renameOrDiscard(unfinished, clusterDirOf(dataDir));
}

/** @throws OperatorError if another major version of PostgreSQL created the cluster */
export async function requireMajorVersion(clusterDir: string): Promise<void> {
  const version = (await readFile(join(clusterDir, 'PG_VERSION'), 'utf8')).trim();
  if (version !== majorVersion) {
    throw new OperatorError(
      `${clusterDir} was created by PostgreSQL ${version}, but this version of group-api has PostgreSQL ${majorVersion}. ` +
        'Dump it with the version of group-api that created it, then load it into an empty DATA_DIR',
    );
  }
}
