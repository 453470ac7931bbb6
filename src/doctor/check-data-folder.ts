import { stat, statfs } from 'node:fs/promises';
import { OperatorError } from '../errors.ts';
import { passed, warned, failed, type CheckResult } from './check-result.ts';
import { clusterDirOf, findExisting, requireUsableDataDir } from '../embedded-postgres/data-dir.ts';
import { exists } from '../embedded-postgres/folders.ts';
import { findServiceUser, serviceUser, type RunAs } from '../embedded-postgres/service-user.ts';

const name = 'data folder';
const gibibyte = 1024 ** 3;
/** PostgreSQL shuts down if it cannot write its write-ahead log, a number of 16 MiB files. */
const minFreeBytes = gibibyte / 4;
const lowFreeBytes = gibibyte;

/** Used instead of the service user until the first start creates it: uid 65534, which owns no files either. */
const unprivilegedUser = { uid: 65_534, gid: 65_534 };

/**
 * Checks the data folder by the rules of the embedded PostgreSQL's start, and returns whether it contains a cluster.
 * Creates nothing. `uid` is the user of this process; if it is root, the service user owns the folder.
 */
export async function checkDataFolder(
  dataDir: string,
  uid: number | undefined,
): Promise<{ checks: CheckResult[]; hasCluster: boolean }> {
  const isRoot = uid === 0;
  const runAs = isRoot ? ((await findServiceUser()) ?? unprivilegedUser) : undefined;
  const clusterDir = clusterDirOf(dataDir);
  const hasCluster = await exists(clusterDir);
  const problem = await findProblem(dataDir, runAs);
  const folder =
    problem ??
    (hasCluster
      ? await checkOwner(clusterDir, runAs?.uid ?? uid, isRoot)
      : passed(name, `No embedded database yet: the first start creates it in ${dataDir}`));
  return { checks: [folder, await checkSpace(dataDir)], hasCluster: hasCluster && folder.state !== 'wrong' };
}

async function findProblem(dataDir: string, runAs: RunAs): Promise<CheckResult | undefined> {
  try {
    await requireUsableDataDir(dataDir, runAs);
    return undefined;
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return failed(name, error.message);
  }
}

async function checkOwner(
  clusterDir: string,
  owner: number | undefined,
  isRoot: boolean,
): Promise<CheckResult> {
  const { uid } = await stat(clusterDir);
  const ownerName = isRoot ? `user ${serviceUser}` : `the current user (uid ${owner})`;
  if (owner !== undefined && uid !== owner) {
    return failed(
      name,
      `${clusterDir} belongs to uid ${uid}, not to ${ownerName}: chown -R it, or choose another DATA_DIR`,
    );
  }
  return passed(name, `${clusterDir} exists and belongs to ${ownerName}`);
}

async function checkSpace(dataDir: string): Promise<CheckResult> {
  const { bavail, bsize } = await statfs(await findExisting(dataDir));
  const freeBytes = bavail * bsize;
  const text = `${(freeBytes / gibibyte).toFixed(1)} GiB free for ${dataDir}`;
  if (freeBytes < minFreeBytes)
    return failed('disk space', `Only ${text}: free some space before PostgreSQL shuts down`);
  return freeBytes < lowFreeBytes ? warned('disk space', `Only ${text}`) : passed('disk space', text);
}
