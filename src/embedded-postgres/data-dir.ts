import { constants } from 'node:fs';
import { access, chown, mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OperatorError } from '../errors.ts';
import { isBinariesCopy } from './binaries.ts';
import { exists } from './folders.ts';
import { canEnter, serviceUser, type RunAs } from './service-user.ts';

/** The number in the name of the socket. */
export const port = 5432;
/** The length of `sun_path` on the strictest platform, without the terminating NUL. */
const maxSocketPathBytes = 103;

/** Returns the folder of the embedded PostgreSQL's cluster. */
export function clusterDirOf(dataDir: string): string {
  return join(dataDir, 'postgres');
}

/** @throws OperatorError if the path of the socket in the folder would be too long */
export function requireShortSocketPath(dataDir: string): void {
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

/** Creates the folder, owned by the user that runs PostgreSQL. @throws OperatorError */
export async function createDataDir(dataDir: string, runAs: RunAs): Promise<void> {
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
