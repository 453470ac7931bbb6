import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ok, warning, wrong, type Check } from './check.ts';
import { clusterDirOf } from './embedded-postgres.ts';
import { exists } from './folders.ts';
import { findServiceUser, serviceUser } from './run-as.ts';

const name = 'data folder';
const gibibyte = 1024 ** 3;
/** PostgreSQL stops where it cannot write its log: some files of 16 MiB. */
const leastFreeBytes = gibibyte / 4;
const comfortableFreeBytes = gibibyte;

/**
 * Checks the folder of the embedded PostgreSQL, and tells whether there is one yet. It makes nothing. `uid` is the user that we
 * run as; as root it is another one who owns the folder.
 */
export async function checkDataFolder(
  dataDir: string,
  uid: number | undefined,
): Promise<{ checks: Check[]; hasCluster: boolean }> {
  const clusterDir = clusterDirOf(dataDir);
  const hasCluster = await exists(clusterDir);
  const owner = uid === 0 ? (await findServiceUser())?.uid : uid;
  const folder = hasCluster ? await checkOwner(clusterDir, owner, uid === 0) : await checkPlace(dataDir);
  return { checks: [folder, await checkSpace(dataDir)], hasCluster: hasCluster && folder.state !== 'wrong' };
}

async function checkOwner(clusterDir: string, owner: number | undefined, isRoot: boolean): Promise<Check> {
  const found = await stat(clusterDir);
  const who = isRoot ? `the user ${serviceUser}` : `the user that runs this (uid ${owner})`;
  if (owner !== undefined && found.uid !== owner) {
    return wrong(
      name,
      `${clusterDir} belongs to uid ${found.uid}, not to ${who}: chown -R it, or set another DATA_DIR`,
    );
  }
  return ok(name, `${clusterDir} is there and belongs to ${who}`);
}

/** Where there is none yet: whether the first start can make it. */
async function checkPlace(dataDir: string): Promise<Check> {
  const place = await findExisting(dataDir);
  const problem = (await stat(place)).isDirectory()
    ? await access(place, constants.W_OK).then(
        () => undefined,
        (error: Error) => error.message,
      )
    : `${place} is not a folder`;
  if (problem)
    return wrong(name, `There is no embedded database, and none can be made in ${dataDir}: ${problem}`);
  return ok(name, `There is no embedded database yet: the first start makes it in ${dataDir}`);
}

async function checkSpace(dataDir: string): Promise<Check> {
  const { bavail, bsize } = await statfs(await findExisting(dataDir));
  const freeBytes = bavail * bsize;
  const text = `${(freeBytes / gibibyte).toFixed(1)} GiB are free for ${dataDir}`;
  if (freeBytes < leastFreeBytes)
    return wrong('disk space', `Only ${text}: make room, or PostgreSQL will stop`);
  return freeBytes < comfortableFreeBytes ? warning('disk space', `Only ${text}`) : ok('disk space', text);
}

/** The folder itself, or the next one above that exists. */
async function findExisting(path: string): Promise<string> {
  return (await exists(path)) ? path : findExisting(dirname(path));
}
