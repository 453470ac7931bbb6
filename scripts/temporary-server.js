// The built server with sample groups, on a free port, with an embedded database in a temporary folder.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

/**
 * Starts the server, with Node's arguments in front. `stop()` ends it and removes its data. @throws if it cannot start
 */
export async function startTemporaryServer(nodeArguments = []) {
  const folder = mkdtempSync(join(tmpdir(), 'group-api-'));
  // PostgreSQL does not run as root: its user has to enter the folder.
  chmodSync(folder, 0o755);
  const server = spawn(process.execPath, [...nodeArguments, resolve('dist/main.js')], {
    cwd: folder,
    env: { PATH: process.env.PATH, PORT: '0', DATA_DIR: join(folder, 'data'), LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const exited = once(server, 'exit');
  const stop = async () => {
    server.kill('SIGTERM');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  for await (const line of createInterface({ input: server.stdout })) {
    const [, url, key] = /Explorer +(http\S+)\/#key=(\S+)/.exec(line) ?? [];
    if (url) return { server, url, key, stop };
  }
  await stop();
  throw new Error('The server ended before it was ready');
}
