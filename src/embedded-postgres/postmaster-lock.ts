import { open, readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './service-user.ts';

/** A process that has a data folder, or may have it: PostgreSQL must not be started beside it. */
export type FolderHolder = { readonly pid: number; readonly isCertain: boolean };

/** What a process is to a data folder: its PostgreSQL, another process, or one that cannot be looked at. */
type Relation = 'none' | 'other' | 'holder' | 'unknown';
type Folder = { readonly dev: number; readonly ino: number; readonly uid: number };

/** Above the highest process id of any system, so that PostgreSQL finds none. */
const deadPid = 2_147_483_647;

/**
 * Finds a process that has the data folder `clusterDir`. If there is none, lock files that name a process of something else are
 * made stale: after a restart of the machine, in a container, or in a copied folder the id is another one's.
 * PostgreSQL removes them, by its own checks. Only what is in the file changes, so that a file that a
 * PostgreSQL has written meanwhile is not touched.
 */
export async function findFolderHolder(
  clusterDir: string,
  socketLockName: string,
): Promise<FolderHolder | undefined> {
  const folder = await stat(clusterDir);
  const locks = ['postmaster.pid', socketLockName].map((name) => join(clusterDir, name));
  for (const lock of locks) {
    const pid = await readPid(lock);
    if (pid === undefined) continue;
    const relation = await relate(pid, folder);
    if (relation === 'holder' || relation === 'unknown') return { pid, isCertain: relation === 'holder' };
  }
  // A lock file may have been removed or overwritten under a PostgreSQL that runs.
  for (const pid of await listProcesses()) {
    if ((await relate(pid, folder)) === 'holder') return { pid, isCertain: true };
  }
  for (const lock of locks) await makeStale(lock, folder);
  return undefined;
}

/** The process that a lock file names, if the file is there and names one. */
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
    if (pid !== undefined && (await relate(pid, folder)) === 'none') return;
    // The lines that follow tell PostgreSQL which shared memory must not be in use any more.
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

async function relate(pid: number, folder: Folder): Promise<Relation> {
  const isThere = (path: string) => stat(path).then(Boolean, () => false);
  if (!(await isThere('/proc/self/status'))) return relateByPs(pid, folder);
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined);
  if (status === undefined) return 'none';
  // A killed process that its parent does not look after, as in a container: PostgreSQL would take it for alive.
  if (/^State:\s+[ZX]/m.test(status)) return 'other';
  // PostgreSQL runs as the owner of its folder only.
  if (Number(/^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1]) !== folder.uid) return 'other';
  if (!/^Name:\s+postgres$/m.test(status)) return 'other';
  try {
    const { dev, ino } = await stat(`/proc/${pid}/cwd`);
    return dev === folder.dev && ino === folder.ino ? 'holder' : 'other';
  } catch {
    // It may have ended meanwhile.
    return (await isThere(`/proc/${pid}`)) ? 'unknown' : 'none';
  }
}

/** On systems without `/proc`, by the command line that `pg_ctl` gives PostgreSQL. */
async function relateByPs(pid: number, folder: Folder): Promise<Relation> {
  try {
    const { output } = await run('ps', ['-o', 'state=,uid=,command=', '-p', String(pid)], '/', undefined);
    const [, state = '', uid, command = ''] = /^\s*(\S+)\s+(\d+)\s+(.*)/.exec(output) ?? [];
    if (state === '') return 'none';
    if (state.startsWith('Z') || Number(uid) !== folder.uid || !command.includes('postgres')) return 'other';
    const dir = /\s-D\s+(.*?)(\s+-\w\b|\s*$)/.exec(command)?.[1];
    if (dir === undefined) return 'unknown';
    const { dev, ino } = await stat(dir);
    return dev === folder.dev && ino === folder.ino ? 'holder' : 'other';
  } catch {
    return 'unknown';
  }
}
