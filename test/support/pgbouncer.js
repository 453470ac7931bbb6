import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { requireServiceUser } from '../../dist/embedded-postgres/service-user.js';

/** On Debian the folder of PgBouncer is in the PATH of root only. */
const program = ['pgbouncer', '/usr/sbin/pgbouncer'].find(
  (command) => spawnSync(command, ['--version']).status === 0,
);
export const hasPgBouncer = program !== undefined;

export async function startPgBouncer(server, settings) {
  const folder = await mkdtemp(join(tmpdir(), 'group-api-test-'));
  // Its user, if the tests run as root, must be able to enter the folder.
  await chmod(folder, 0o755);
  const runAs = process.getuid?.() === 0 ? await requireServiceUser() : undefined;
  if (runAs) await chown(folder, runAs.uid, runAs.gid);
  const port = await findFreePort();
  const all = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    // Each role of PostgreSQL may sign in, as it may there.
    auth_type: 'trust',
    auth_file: join(folder, 'users.txt'),
    auth_user: 'postgres',
    ...settings,
  };
  const file = join(folder, 'pgbouncer.ini');
  await writeFile(all.auth_file, '"postgres" ""\n');
  await writeFile(
    file,
    [
      '[databases]',
      `* = host=${server.host} port=${server.port}`,
      '[pgbouncer]',
      ...Object.entries(all).map(([name, value]) => `${name} = ${value}`),
    ].join('\n') + '\n',
  );
  const child = spawn(program, [file], { ...runAs, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  // Its first lines say why it ends.
  child.stderr.on('data', (chunk) => (log = (log + chunk).slice(0, 10_000)));
  const exited = once(child, 'exit');
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new Error(`PgBouncer ended: ${log}`);
    await sleep(20);
  }
  return {
    port,
    pid: child.pid,
    async close() {
      child.kill('SIGKILL');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function findFreePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function isListening(port) {
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
