// Starts a measured server as a separate process.
import { spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCpu } from './database.js';

const running = new Set();

/** Stops servers that are still running after a failed measurement. */
export async function stopPeers() {
  await Promise.all([...running].map((server) => server.stop()));
}

/**
 * Starts a peer, with its own Node if it has one, and waits until it accepts connections. Its log goes to a file, as in
 * production.
 */
export async function startPeer(peer, databaseUrl) {
  const port = await findFreePort();
  const logFile = join(tmpdir(), `group-api-bench-${peer.name}.log`);
  const log = openSync(logFile, 'w');
  const startedAt = performance.now();
  const child = spawn(peer.node ?? process.execPath, [...(peer.nodeOptions ?? []), peer.script], {
    cwd: tmpdir(),
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      DATABASE_URL: databaseUrl,
      PORT: String(port),
      ...peer.settings,
    },
    stdio: ['ignore', log, log],
  });
  let hasEnded = false;
  const ended = new Promise((resolve) => child.on('exit', () => resolve((hasEnded = true))));
  while (!(await canConnect(port))) {
    if (hasEnded) throw new Error(`${peer.name} ended: see ${logFile}`);
    await sleep(5);
  }
  const readStatus = (name) =>
    Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))[1]) /
    1024;
  const server = {
    port,
    pid: child.pid,
    logFile,
    startedAt,
    cpuSeconds: () => readCpu(child.pid),
    /** Resident memory in megabytes, currently and at its peak. */
    memoryMb: () => readStatus('VmRSS'),
    peakMemoryMb: () => readStatus('VmHWM'),
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 12_000);
      await ended;
      clearTimeout(timer);
      running.delete(server);
    },
  };
  running.add(server);
  return server;
}

/** Finds a port that was free a moment ago. */
export async function findFreePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function canConnect(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
