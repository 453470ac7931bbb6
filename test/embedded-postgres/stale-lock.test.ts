import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, expect, test } from '@jest/globals';
import { openEmbeddedPostgres, type EmbeddedPostgres } from '../../src/embedded-postgres/cluster.ts';
import { findClusterProcess } from '../../src/embedded-postgres/postmaster-lock.ts';
import { bin, cwd } from '../support/command-line.ts';
import { useTestFolder } from '../support/test-folder.ts';

// Every case copies one data folder, and starts its PostgreSQL as a command does.
const dir = useTestFolder();
let original: string;
let owner: { uid?: number; gid?: number };
/** The lock files of a running PostgreSQL. */
let pidFile: string;
let socketLock: string;
const processes: ChildProcess[] = [];

const lockPaths = (dataDir: string) => [
  join(dataDir, 'postgres/postmaster.pid'),
  join(dataDir, 'postgres/.s.PGSQL.5432.lock'),
];

beforeAll(async () => {
  original = join(dir, 'original');
  const postgres = await openEmbeddedPostgres(original);
  [pidFile, socketLock] = lockPaths(original).map((path) => readFileSync(path, 'utf8')) as [string, string];
  await postgres.close();
  const { uid, gid } = await stat(join(original, 'postgres'));
  owner = process.getuid?.() === 0 ? { uid, gid } : {};
  expect((await listGroups(original)).stderr).toBe('');
});
afterEach(async () => {
  for (const child of processes.splice(0)) {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }
});

async function listGroups(dataDir: string) {
  const child = spawn(process.execPath, [bin, 'groups', 'list', '--json'], {
    cwd,
    env: { PATH: process.env['PATH'], DATA_DIR: dataDir },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const code = await new Promise((resolve) => child.on('close', resolve));
  return { code, stdout, stderr };
}

/** Copies the data folder, with lock files that name a process. */
async function copyWithLocks(name: string, pid: number | string): Promise<string> {
  const dataDir = join(dir, name);
  await cp(original, dataDir, { recursive: true });
  if (owner.uid !== undefined) await run('chown', ['-R', `${owner.uid}:${owner.gid}`, dataDir]);
  for (const [index, content] of [pidFile, socketLock].entries()) {
    const [, ...rest] = content.split('\n');
    await writeFile(lockPaths(dataDir)[index]!, typeof pid === 'number' ? [pid, ...rest].join('\n') : pid);
  }
  return dataDir;
}

async function run(command: string, args: string[]): Promise<void> {
  const [code] = await once(spawn(command, args), 'exit');
  expect(code).toBe(0);
}

/** Starts a process of the user that PostgreSQL runs as. */
function startProcess(command: string, args: string[]): ChildProcess {
  const child = spawn(command, args, { ...owner, cwd: '/', stdio: 'ignore' });
  processes.push(child);
  return child;
}

const untilState = async (pid: number, state: string) => {
  while (!new RegExp(`^State:\\s+${state}`, 'm').test(await readFile(`/proc/${pid}/status`, 'utf8')))
    await sleep(10);
};

test.each<[string, () => number | string | Promise<number | string>]>([
  ['an unrelated process of the same user', () => startProcess('sleep', ['600']).pid!],
  [
    'a process named postgres, elsewhere',
    () => startProcess('bash', ['-c', 'exec -a postgres sleep 600']).pid!,
  ],
  [
    'a killed process that its parent does not look after',
    async () => {
      const parent = startProcess('sh', ['-c', 'sleep 0 & exec sleep 600']);
      const children = `/proc/${parent.pid}/task/${parent.pid}/children`;
      while (
        !readFileSync(children, 'utf8').trim() ||
        !readFileSync(`/proc/${parent.pid}/cmdline`, 'utf8').includes('600')
      )
        await sleep(10);
      const zombie = Number(readFileSync(children, 'utf8'));
      await untilState(zombie, 'Z');
      return zombie;
    },
  ],
  ['the parent of the command', () => process.pid],
  ['the first process of the machine', () => 1],
  [
    'a process that has ended',
    async () => {
      const child = startProcess('true', []);
      processes.pop();
      await once(child, 'exit');
      return child.pid!;
    },
  ],
  ['nothing, since it is empty', () => ''],
  ['nothing, since it is garbage', () => 'gar\0bage'],
  ['nothing, since it is cut off', () => '12'],
  ['a negative number', () => '-1\n'],
])('PostgreSQL starts if its lock files name %s', async (_what, lockedBy) => {
  const dataDir = await copyWithLocks('case', await lockedBy());
  try {
    const { code, stdout, stderr } = await listGroups(dataDir);
    expect([code, stderr]).toStrictEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({ groups: [] });
    for (const path of lockPaths(dataDir)) expect(existsSync(path)).toBe(false);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
});

test('a copy of a data folder starts while the original runs, even if a process of the original has its id', async () => {
  const postgres = await openEmbeddedPostgres(original);
  try {
    const dataDir = join(dir, 'copy');
    await run('cp', ['-a', original, dataDir]);
    const [locked] = readFileSync(lockPaths(dataDir)[0]!, 'utf8').split('\n');
    const copy = await openEmbeddedPostgres(dataDir);
    expect(readFileSync(lockPaths(dataDir)[0]!, 'utf8').split('\n')[0]).not.toBe(locked);
    await copy.close();
    expect(readFileSync(lockPaths(original)[0]!, 'utf8').split('\n')[0]).toBe(locked);
  } finally {
    await postgres.close();
  }
});

test('a data folder that is moved while its PostgreSQL runs keeps that PostgreSQL', async () => {
  const from = await copyWithLocks('moved-from', 1);
  const first = await openEmbeddedPostgres(from);
  const [pid] = readFileSync(lockPaths(from)[0]!, 'utf8').split('\n');
  const to = join(dir, 'moved-to');
  await rename(from, to);
  const second = await openEmbeddedPostgres(to);
  expect(readFileSync(lockPaths(to)[0]!, 'utf8').split('\n')[0]).toBe(pid);
  await second.close();
  expect(existsSync(lockPaths(to)[0]!)).toBe(false);
  await first.close();
});

test('a running PostgreSQL is found even without intact lock files; no second one is started', async () => {
  const dataDir = await copyWithLocks('held', 1);
  const clusterDir = join(dataDir, 'postgres');
  const [lock, socketLockPath] = lockPaths(dataDir) as [string, string];
  let postgres: EmbeddedPostgres | undefined = await openEmbeddedPostgres(dataDir);
  const content = readFileSync(lock, 'utf8');
  const pid = parseInt(content, 10);
  const holder = () => findClusterProcess(clusterDir, '.s.PGSQL.5432.lock');
  try {
    expect(await holder()).toStrictEqual({ pid, isCertain: true });
    for (const other of [content.replace(/^\d+/, '1'), '', 'garbage']) {
      await writeFile(lock, other);
      expect(await holder()).toStrictEqual({ pid: expect.any(Number), isCertain: true });
      expect(readFileSync(lock, 'utf8')).toBe(other);
    }
    for (const path of [lock, socketLockPath, join(clusterDir, '.s.PGSQL.5432')]) await rm(path);

    // A start waits until the process has ended.
    const starting = openEmbeddedPostgres(dataDir);
    const isFound = async () => (await holder())?.pid !== undefined;
    expect(await isFound()).toBe(true);
    process.kill(pid, 'SIGKILL');
    postgres = await starting;
    expect(parseInt(readFileSync(lock, 'utf8'), 10)).not.toBe(pid);
  } finally {
    await postgres.close();
  }
});

test('a first start succeeds after a killed one, even with the same process id, as in a container', async () => {
  const dataDir = join(dir, 'unfinished');
  await mkdir(join(dataDir, `postgres.unfinished-${process.pid}`, 'base'), { recursive: true });
  if (owner.uid !== undefined) await run('chown', ['-R', `${owner.uid}:${owner.gid}`, dataDir]);
  const postgres = await openEmbeddedPostgres(dataDir);
  await postgres.close();
  expect((await readdir(dataDir)).toSorted()).toStrictEqual(['postgres', 'postgres-start.log']);
});
