import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { OperatorError } from '../errors.ts';

/** The user that runs PostgreSQL, which does not run as root. If undefined, the current user. */
export type RunAs = { readonly uid: number; readonly gid: number } | undefined;

/** The system user that runs PostgreSQL if the current user is root. */
export const serviceUser = 'group-api';

/** Finds or creates the system user that runs PostgreSQL. @throws OperatorError */
export async function requireServiceUser(): Promise<RunAs> {
  const existing = await findServiceUser();
  if (existing) return existing;
  const args = [
    '--system',
    '--user-group',
    '--no-create-home',
    '--home-dir',
    '/nonexistent',
    '--shell',
    '/usr/sbin/nologin',
  ];
  const { output } = await run('useradd', [...args, serviceUser], '/', undefined).catch((error: Error) => ({
    output: error.message,
  }));
  // Looked up even after a failure: another process may have been quicker.
  const created = await findServiceUser();
  if (created) return created;
  throw new OperatorError(
    `PostgreSQL does not run as root, and the user "${serviceUser}" could not be created: ${lastLine(output)}. ` +
      `Start group-api as an unprivileged user, or set DATABASE_URL to a PostgreSQL server`,
  );
}

/** Finds the system user that runs PostgreSQL; undefined if it does not exist. */
export async function findServiceUser(): Promise<RunAs> {
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const fields = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === serviceUser);
  return fields && { uid: Number(fields[2]), gid: Number(fields[3]) };
}

/** Returns whether a user can enter a folder, by trying it: file modes do not show access control lists. */
export async function canEnter(folder: string, runAs: RunAs): Promise<boolean> {
  return (await run('sh', ['-c', 'cd "$1"', 'sh', folder], '/', runAs)).code === 0;
}

/** Runs a program to its end. Rejects only if the program cannot be started. */
export function run(
  command: string,
  args: string[],
  cwd: string,
  runAs: RunAs,
): Promise<{ code: number; output: string }> {
  // PGPORT, PGDATA and similar variables are meant for other servers.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PG')));
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...runAs,
      cwd,
      env: { ...env, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const collect = (chunk: Buffer) => (output += chunk.toString());
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', reject);
    // Not 'close': the PostgreSQL that pg_ctl starts inherits the pipes and keeps them open.
    child.on('exit', (code) => resolve({ code: code ?? -1, output }));
  });
}

/** Returns the last line of a program's output, which usually is the error. */
export function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) ?? '';
}
