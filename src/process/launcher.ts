import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { isAlive } from './is-alive.ts';

const intervalMs = 250;

/**
 * Calls `onGone` once the npm that started this process (`npm start`, `npx group-api`) has ended: npm runs scripts in a
 * shell, and a killed shell does not forward the signal. Does nothing if npm did not start this process, or started it
 * in the background. Returns a function that stops watching.
 */
export function watchLauncher(onGone: () => void): () => void {
  const launcher = findLauncher(process.env['npm_lifecycle_script']);
  if (launcher === undefined) return () => undefined;
  const timer = setInterval(() => {
    const isThere = process.ppid === launcher.parent && isAlive(launcher.parent);
    if (
      isThere &&
      (launcher.shellParent === undefined || readParent(launcher.parent) === launcher.shellParent)
    )
      return;
    clearInterval(timer);
    onGone();
  }, intervalMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** The parent of this process and, if it is npm's shell, the parent of the shell. */
type Launcher = { readonly parent: number; readonly shellParent: number | undefined };

/** The environment alone is no proof: a daemon that npm once started passes npm's variables to its children. */
function findLauncher(script: string | undefined): Launcher | undefined {
  // A background process (&) may outlive its script. 2>&1 and && do not start one.
  if (script === undefined || /(^|[^&>])&([^&>]|$)/.test(script)) return undefined;
  const parent = process.ppid;
  const command = readCommand(parent);
  if (command === undefined) return undefined;
  if (/\b(npm|npx|yarn|pnpm)\b/.test(command) && !command.includes(script))
    return { parent, shellParent: undefined };
  return command.includes(script) ? { parent, shellParent: readParent(parent) } : undefined;
}

function readCommand(pid: number): string | undefined {
  if (process.platform === 'win32') return undefined;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return runPs(pid, 'args');
  }
}

/** Uses /proc only: `ps` would start a process at every interval. */
function readParent(pid: number): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(status.slice(status.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

function runPs(pid: number, column: string): string | undefined {
  try {
    return execFileSync('ps', ['-o', `${column}=`, '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}
