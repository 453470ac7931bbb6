import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chown, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { requireServiceUser } from '../../src/embedded-postgres/service-user.ts';
import { findFreePort } from './tcp-postgres.ts';
import { createTestFolder } from './test-folder.ts';

/** PgBouncer, if it is installed. On Debian its folder is in the PATH of root only. */
const program = ['pgbouncer', '/usr/sbin/pgbouncer'].find(
  (command) => spawnSync(command, ['--version']).status === 0,
);
export const hasPgBouncer = program !== undefined;

/** Starts a PgBouncer in front of a PostgreSQL on a port of 127.0.0.1, whose superuser needs no password. */
export async function startPgBouncer(
  postgresPort: number,
  settings: Readonly<Record<string, string | number>>,
): Promise<{ port: number; close(): Promise<void> }> {
  const folder = await createTestFolder();
  const runAs = process.getuid?.() === 0 ? await requireServiceUser() : undefined;
  if (runAs) await chown(folder, runAs.uid, runAs.gid);
  const port = await findFreePort();
  const all = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'any',
    ...settings,
  };
  const file = join(folder, 'pgbouncer.ini');
  await writeFile(
    file,
    [
      '[databases]',
      `* = host=127.0.0.1 port=${postgresPort} user=postgres`,
      '[pgbouncer]',
      ...Object.entries(all).map(([name, value]) => `${name} = ${value}`),
    ].join('\n') + '\n',
  );
  const child = spawn(program!, [file], { ...runAs, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const exited = once(child, 'exit');
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new Error(`PgBouncer ended: ${log}`);
    await sleep(20);
  }
  return {
    port,
    async close() {
      child.kill('SIGKILL');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
