import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, openSync, closeSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTestFolder } from '../support/test-folder.ts';

/** Where Debian's postgresql-15 has its programs. */
export const binDir = '/usr/lib/postgresql/15/bin';

/** The Debian packages of the programs that are missing here. */
export function findMissingPackages(): string[] {
  const programs = { 'etcd-server': 'etcd', haproxy: 'haproxy', patroni: 'patroni' };
  const missing = Object.entries(programs)
    .filter(
      ([, program]) => spawnSync('sh', ['-c', `PATH="$PATH:/usr/sbin"; command -v ${program}`]).status !== 0,
    )
    .map(([name]) => name);
  return existsSync(join(binDir, 'postgres')) ? missing : [...missing, 'postgresql-15'];
}

/** PostgreSQL does not run as root: as root everything runs as the user that Debian's package creates. */
const runAs = process.getuid?.() === 0 ? findPostgresUser() : {};

function findPostgresUser(): { uid?: number; gid?: number } {
  const line = /^postgres:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
  return line ? { uid: Number(line[1]), gid: Number(line[2]) } : {};
}

/** A program that runs until it is stopped. */
export type Program = { readonly pid: number; readonly exited: Promise<unknown> };

/** A folder with programs that run in it, all of which end with this process, however that ends. */
export type Workshop = {
  readonly folder: string;
  /** Starts a program, in `network` or that of this process; its output goes to `<name>.log`. */
  readonly start: (
    name: string,
    command: string,
    args: readonly string[],
    options?: { env?: Readonly<Record<string, string>>; network?: Program | undefined; asRoot?: boolean },
  ) => Program;
  /** Lets a process that was started otherwise end with this one. */
  adopt(pid: number): void;
  /** The last lines of all logs, for a failed run. */
  readonly readLogs: () => string;
  close(): Promise<void>;
};

export async function openWorkshop(): Promise<Workshop> {
  const folder = await createTestFolder();
  if (runAs.uid !== undefined) chownSync(folder, runAs.uid, runAs.gid!);
  const reaper = startReaper(folder);
  const reaped = once(reaper, 'exit');
  const names = new Set<string>();
  const adopt = (pid: number) => void reaper.stdin!.write(`${pid}\n`);
  return {
    folder,
    adopt,
    start(name, command, args, { env = {}, network, asRoot = false } = {}) {
      names.add(name);
      const log = openSync(join(folder, `${name}.log`), 'a');
      const child = spawn(...inNetwork(network, command, args), {
        // The program that enters a network needs the privileges of root; it changes the user afterwards.
        ...(network === undefined && !asRoot && runAs),
        cwd: folder,
        // Ctrl-C is for the test, which ends them in order.
        detached: true,
        env: { PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C.UTF-8', ...env },
        stdio: ['ignore', log, log],
      });
      closeSync(log);
      adopt(child.pid!);
      return { pid: child.pid!, exited: once(child, 'exit') };
    },
    readLogs: () =>
      [...names]
        .map((name) => {
          const lines = readFileSync(join(folder, `${name}.log`), 'utf8')
            .trimEnd()
            .split('\n');
          return `== ${name}\n${lines.slice(-25).join('\n')}`;
        })
        .join('\n'),
    async close() {
      reaper.stdin!.end();
      await reaped;
    },
  };
}

/** Returns the command that runs a program in the network namespace of another one. */
function inNetwork(
  network: Program | undefined,
  command: string,
  args: readonly string[],
): [string, string[]] {
  if (network === undefined) return [command, [...args]];
  const user = [`--reuid=${runAs.uid}`, `--regid=${runAs.gid}`, '--clear-groups'];
  return ['nsenter', [`--net=/proc/${network.pid}/ns/net`, 'setpriv', ...user, command, ...args]];
}

/**
 * Starts a process that reads process ids and, once its input ends because this process has closed it or has died, kills
 * them and all processes in the folder, since Patroni's PostgreSQL outlives Patroni, and removes the folder. A process
 * that got the id of another one is spared.
 */
function startReaper(folder: string): ChildProcess {
  const source = `
    const { readdirSync, readFileSync, readlinkSync, rmSync } = require('node:fs');
    const [folder] = process.argv.slice(1);
    const startTimes = new Map();
    const statusOf = (pid) => {
      try {
        const fields = readFileSync('/proc/' + pid + '/stat', 'utf8').replace(/^.*\\) /, '').split(' ');
        return { isRunning: fields[0] !== 'Z', startTime: fields[19] };
      } catch {
        return { isRunning: false };
      }
    };
    const folderOf = (pid) => {
      try {
        return readlinkSync('/proc/' + pid + '/cwd') + '/';
      } catch {
        return '';
      }
    };
    const isOurs = (pid) => {
      const { isRunning, startTime } = statusOf(pid);
      return isRunning && (startTimes.get(pid) === startTime || folderOf(pid).startsWith(folder + '/'));
    };
    require('node:readline')
      .createInterface({ input: process.stdin })
      .on('line', (line) => startTimes.set(Number(line), statusOf(line).startTime))
      .on('close', () => {
        const round = () => {
          const pids = readdirSync('/proc').map(Number).filter((pid) => pid > 0 && isOurs(pid));
          for (const pid of pids) {
            try {
              process.kill(pid, 'SIGKILL');
            } catch {
              // It has ended meanwhile.
            }
          }
          if (pids.length > 0) setTimeout(round, 100);
          else rmSync(folder, { recursive: true, force: true });
        };
        round();
      });`;
  return spawn(process.execPath, ['-e', source, folder], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'inherit', 'inherit'],
  });
}
