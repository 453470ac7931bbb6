import { stat, statfs } from 'node:fs/promises';
import { OperatorError } from '../errors.ts';
import { ok, warning, wrong, type Check } from './check-result.ts';
import { clusterDirOf, findExisting, requireUsableDataDir } from '../embedded-postgres/cluster.ts';
import { exists } from '../embedded-postgres/folders.ts';
import { findServiceUser, serviceUser, type RunAs } from '../embedded-postgres/service-user.ts';

const name = 'data folder';
const gibibyte = 1024 ** 3;
/** PostgreSQL stops where it cannot write its log: some files of 16 MiB. */
const leastFreeBytes = gibibyte / 4;
const comfortableFreeBytes = gibibyte;

/** Stands for the service user until the first start makes it: one who owns nothing either. */
const nobody = { uid: 65_534, gid: 65_534 };

/**
 * Checks the folder of the embedded PostgreSQL by the rules of its start, and tells whether there is one yet. It makes nothing.
 * `uid` is the user that we run as; as root it is another one who owns the folder.
 */
export async function checkDataFolder(
  dataDir: string,
  uid: number | undefined,
): Promise<{ checks: Check[]; hasCluster: boolean }> {
  const isRoot = uid === 0;
  const runAs = isRoot ? ((await findServiceUser()) ?? nobody) : undefined;
  const clusterDir = clusterDirOf(dataDir);
  const hasCluster = await exists(clusterDir);
  const problem = await findProblem(dataDir, runAs);
  const folder =
    problem ??
    (hasCluster
      ? await checkOwner(clusterDir, runAs?.uid ?? uid, isRoot)
      : ok(name, `There is no embedded database yet: the first start makes it in ${dataDir}`));
  return { checks: [folder, await checkSpace(dataDir)], hasCluster: hasCluster && folder.state !== 'wrong' };
}

async function findProblem(dataDir: string, runAs: RunAs): Promise<Check | undefined> {
  try {
    await requireUsableDataDir(dataDir, runAs);
    return undefined;
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return wrong(name, error.message);
  }
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

async function checkSpace(dataDir: string): Promise<Check> {
  const { bavail, bsize } = await statfs(await findExisting(dataDir));
  const freeBytes = bavail * bsize;
  const text = `${(freeBytes / gibibyte).toFixed(1)} GiB are free for ${dataDir}`;
  if (freeBytes < leastFreeBytes)
    return wrong('disk space', `Only ${text}: make room, or PostgreSQL will stop`);
  return freeBytes < comfortableFreeBytes ? warning('disk space', `Only ${text}`) : ok('disk space', text);
}
