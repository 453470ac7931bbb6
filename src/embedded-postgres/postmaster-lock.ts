import { open, readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from './service-user.ts';

/** A PostgreSQL that uses, or may use, a data folder: a second one must not be started. */
export type ClusterProcess = { readonly pid: number; readonly isCertain: boolean };

/** The relation of a process to a data folder: its PostgreSQL, another process, or one that cannot be inspected. */
type Relation = 'none' | 'other' | 'postgres' | 'unknown';
type Folder = { readonly dev: number; readonly ino: number; readonly uid: number };

/** Higher than the process ids of any system, so that PostgreSQL finds no such process. */
const deadPid = 2_147_483_647;
/** A lock file that still contains no pid after this time is not being written. */
const writeTimeMs = 500;

/**
 * Finds the PostgreSQL that uses the data folder `clusterDir`. If there is none, marks lock files as stale whose pid
 * belongs to another program, as after a restart of the machine, in a container, or in a copied folder. PostgreSQL then
 * removes them after its own checks. Files are overwritten in place, never replaced: a lock file that a PostgreSQL
 * creates concurrently is safe.
 */
export async function findClusterProcess(
  clusterDir: string,
  socketLockName: string,
): Promise<ClusterProcess | undefined> {
  const folder = await stat(clusterDir);
  const locks = ['postmaster.pid', socketLockName].map((name) => join(clusterDir, name));
  for (const lock of locks) {
    const pid = await readPid(lock);
    if (pid === undefined) continue;
    const relation = await findRelation(pid, folder);
    if (relation === 'postgres' || relation === 'unknown') return { pid, isCertain: relation === 'postgres' };
  }
  // The lock file of a running PostgreSQL may have been removed or overwritten.
  for (const pid of await listProcesses()) {
    if ((await findRelation(pid, folder)) === 'postgres') return { pid, isCertain: true };
  }
  for (const lock of locks) await makeStale(lock, folder);
  return undefined;
}

/** Reads the pid in a lock file; undefined if the file does not exist or contains none. */
async function readPid(lock: string): Promise<number | undefined> {
  return parsePid(await readFile(lock, 'latin1').catch(() => ''));
}

function parsePid(content: string): number | undefined {
  return /^\d{1,10}(?=\n)/.test(content) ? parseInt(content, 10) : undefined;
}

async function makeStale(lock: string, folder: Folder): Promise<void> {
  const file = await open(lock, 'r+').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  if (!file) return;
  try {
    const content = await file.readFile('latin1');
    const pid = parsePid(content);
    // A PostgreSQL that was started concurrently may have created the file since it was read first.
    if (pid !== undefined && (await findRelation(pid, folder)) !== 'other') return;
    if (pid === undefined) {
      await sleep(writeTimeMs);
      if ((await readPid(lock)) !== undefined) return;
    }
    // Keep the following lines: by them, PostgreSQL checks that the shared memory is no longer in use.
    const rest = pid === undefined ? '' : content.slice(content.indexOf('\n') + 1);
    const stale = Buffer.from(`${deadPid}\n${rest}`, 'latin1');
    await file.write(stale, 0, stale.length, 0);
    await file.truncate(stale.length);
  } finally {
    await file.close();
  }
}

async function listProcesses(): Promise<number[]> {
  const names = await readdir('/proc').catch(() => []);
  const inProc = names.filter((name) => /^\d+$/.test(name)).map(Number);
  if (inProc.length > 0) return inProc;
  const { output } = await run('ps', ['-axo', 'pid=,comm='], '/', undefined).catch(() => ({ output: '' }));
  return output.split('\n').flatMap((line) => (line.includes('postgres') ? [parseInt(line, 10)] : []));
}

async function findRelation(pid: number, folder: Folder): Promise<Relation> {
  const pathExists = (path: string) => stat(path).then(Boolean, () => false);
  if (!(await pathExists('/proc/self/status'))) return findRelationByPs(pid, folder);
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined);
  if (status === undefined) return 'none';
  // A zombie, as in a container without init: PostgreSQL would consider it alive.
  if (/^State:\s+[ZX]/m.test(status)) return 'other';
  // PostgreSQL runs only as the owner of its folder.
  if (Number(/^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1]) !== folder.uid) return 'other';
  if (!/^Name:\s+postgres$/m.test(status)) return 'other';
  try {
    const { dev, ino } = await stat(`/proc/${pid}/cwd`);
    return dev === folder.dev && ino === folder.ino ? 'postgres' : 'other';
  } catch {
    // The process may have ended in the meantime.
    return (await pathExists(`/proc/${pid}`)) ? 'unknown' : 'none';
  }
}

/** For systems without `/proc`: identifies PostgreSQL by the command line that `pg_ctl` passes. */
async function findRelationByPs(pid: number, folder: Folder): Promise<Relation> {
  try {
    const { output } = await run('ps', ['-o', 'state=,uid=,command=', '-p', String(pid)], '/', undefined);
    const [, state = '', uid, command = ''] = /^\s*(\S+)\s+(\d+)\s+(.*)/.exec(output) ?? [];
    if (state === '') return 'none';
    if (state.startsWith('Z') || Number(uid) !== folder.uid || !command.includes('postgres')) return 'other';
    const dir = /\s-D\s+(.*?)(\s+-\w\b|\s*$)/.exec(command)?.[1];
    if (dir === undefined) return 'unknown';
    const { dev, ino } = await stat(dir);
    return dev === folder.dev && ino === folder.ino ? 'postgres' : 'other';
  } catch {
    return 'unknown';
  }
}
