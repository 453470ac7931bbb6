// The processes of the soak test, all on this machine: PostgreSQL, PgBouncer and HAProxy with the settings of deploy/scale/,
// and two servers.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasPgBouncer, startPgBouncer } from '../../test/support/pgbouncer.js';
import { openBenchDatabase, readCpu } from '../database.js';
import { patient, peers } from '../peers.js';
import { findFreePort, startPeer, stopPeers } from '../server.js';

const deployed = (name) => readFile(new URL(`../../deploy/scale/${name}`, import.meta.url), 'utf8');
/** On Debian its folder is in the PATH of root only. */
const haproxyProgram = ['haproxy', '/usr/sbin/haproxy'].find((name) => spawnSync(name, ['-v']).status === 0);
const ours = peers.find(({ name }) => name === 'ours');
const serverCount = 2;

/** The names of the programs that are missing on this machine. */
export const missingPrograms = [
  ...(hasPgBouncer ? [] : ['pgbouncer']),
  ...(haproxyProgram ? [] : ['haproxy']),
];

/**
 * Starts all processes, with so many groups in the database. With `isPatient`, servers accept requests however late
 * their event loop is, and HAProxy sends them however late they respond to its checks.
 */
export async function openStack({ groupCount, isPatient }) {
  const opened = [];
  const close = async () => {
    await stopPeers();
    for (const part of opened.splice(0).toReversed()) await part.close();
  };
  try {
    const database = await openBenchDatabase(groupCount);
    opened.push(database);
    const pooler = await openPooler(database);
    opened.push(pooler);
    const servers = [];
    while (servers.length < serverCount) {
      const peer = {
        ...ours,
        name: `soak-${servers.length + 1}`,
        // PgBouncer of Debian 12 has no named statements in transaction mode.
        settings: { ...ours.settings, DATABASE_PREPARED_STATEMENTS: 'false', TRUST_PROXY: '127.0.0.1' },
      };
      const server = await startPeer(isPatient ? patient(peer) : peer, pooler.url);
      servers.push(server);
      opened.push({ close: () => rm(server.logFile, { force: true }) });
    }
    const proxy = await openProxy(servers, isPatient);
    opened.push(proxy);
    return { database, pooler, servers, proxy, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openPooler({ host }) {
  const [, settings] = (await deployed('pgbouncer.ini')).split('[pgbouncer]');
  const values = Object.fromEntries(
    [...settings.matchAll(/^(\w+) =(.*)$/gm)].map(([, name, value]) => [name, value.trim()]),
  );
  // Here roles have no passwords, and the port is any free one.
  for (const name of ['listen_addr', 'listen_port', 'auth_type', 'auth_file']) delete values[name];
  const pooler = await startPgBouncer({ host, port: 5432 }, values);
  return {
    url: `postgresql://postgres@127.0.0.1:${pooler.port}/postgres`,
    cpuSeconds: () => readCpu(pooler.pid),
    close: () => pooler.close(),
  };
}

async function openProxy(servers, isPatient) {
  const folder = await mkdtemp(join(tmpdir(), 'group-api-haproxy-'));
  const port = await findFreePort();
  const file = join(folder, 'haproxy.cfg');
  const config = adaptProxy(await deployed('haproxy.cfg'), port, servers);
  await writeFile(
    file,
    isPatient ? config.replace('check inter 1s fall 2', 'check inter 30s fall 10') : config,
  );
  const child = spawn(haproxyProgram, ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (chunk) => (log = (log + chunk).slice(-10_000)));
  const exited = once(child, 'exit');
  const close = async () => {
    child.kill('SIGTERM');
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  while (!(await isReady(port))) {
    if (child.exitCode !== null) {
      await close();
      throw new Error(`HAProxy ended: ${log}`);
    }
    await sleep(50);
  }
  return { port, cpuSeconds: () => readCpu(child.pid), close };
}

/** The configuration for servers on ports of this machine, instead of those that the DNS server of Compose knows. */
function adaptProxy(text, port, servers) {
  const lines = servers.map((server, index) => `  server api${index + 1} 127.0.0.1:${server.port}`);
  const adapted = text
    .replace(/^resolvers compose\n(?: .*\n)+/m, '')
    // More would need a higher limit of open files than a user of this machine may have.
    .replace(/^ +maxconn .*$/m, '  maxconn 1000')
    .replace(/^ +bind :4000$/m, `  bind 127.0.0.1:${port}`)
    .replace(/^ +server-template .*$/m, lines.join('\n'));
  if (/resolvers|:4000|server-template/.test(adapted))
    throw new Error('bench/soak/stack.js does not fit deploy/scale/haproxy.cfg any more');
  return adapted;
}

/** Whether HAProxy sends requests to a server. */
async function isReady(port) {
  const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
  await response?.arrayBuffer();
  return response?.status === 200;
}
