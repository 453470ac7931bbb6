import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';

const stopMs = 20_000;
const lagMs = 1500;

/** Causes a fault and repairs what does not repair itself. The clients keep on working. */
type Fault = (cluster: Cluster) => Promise<void>;

/** The faults by name. */
export const faults = {
  /** The machine of the primary fails, and comes back. */
  'primary killed': async (cluster) => {
    const node = await requirePrimary(cluster);
    signalNode(node, 'SIGKILL');
    await node.patroni.exited;
    // Back only after another node has replaced it.
    await waitForOtherPrimary(cluster, node.name);
    cluster.restartPatroni(node);
  },
  /** The machine of the primary fails while its standbys lack the last commits: asynchronous mode loses these. */
  'primary killed, standbys lag': async (cluster) => {
    const node = await requirePrimary(cluster);
    const standbys = cluster.nodes.filter((candidate) => candidate !== node);
    for (const standby of standbys) cluster.setConnected(standby, false);
    await sleep(lagMs);
    // Cut off first: the kernel would send what is left in the buffers of the killed processes.
    cluster.setConnected(node, false);
    signalNode(node, 'SIGKILL');
    await node.patroni.exited;
    for (const standby of standbys) cluster.setConnected(standby, true);
    await waitForOtherPrimary(cluster, node.name).finally(() => cluster.setConnected(node, true));
    cluster.restartPatroni(node);
  },
  /** The machine of the primary stops for 20 s, and goes on as if nothing had happened. */
  'primary stopped for 20 s': async (cluster) => {
    const node = await requirePrimary(cluster);
    const pids = signalNode(node, 'SIGSTOP');
    await sleep(stopMs);
    for (const pid of pids.toReversed()) process.kill(pid, 'SIGCONT');
  },
  /** The machine of the primary loses its network, and gets it back. */
  'primary cut off': async (cluster) => {
    const node = await requirePrimary(cluster);
    cluster.setConnected(node, false);
    await waitForOtherPrimary(cluster, node.name).finally(() => cluster.setConnected(node, true));
  },
  switchover: (cluster) => cluster.switchOver(),
  'etcd leader killed': async (cluster) => {
    const member = await cluster.findEtcdLeader();
    process.kill(member.program.pid, 'SIGKILL');
    await member.program.exited;
    await sleep(stopMs / 4);
    cluster.restartEtcd(member);
  },
  'HAProxy restarted': (cluster) => cluster.restartHaproxy(),
  'server killed': (cluster) => cluster.restartServer(cluster.servers[0]!),
  'standby killed': async (cluster) => {
    const primary = await requirePrimary(cluster);
    const node = cluster.nodes.find((candidate) => candidate !== primary)!;
    signalNode(node, 'SIGKILL');
    await node.patroni.exited;
    cluster.restartPatroni(node);
  },
} as const satisfies Readonly<Record<string, Fault>>;

export type FaultName = keyof typeof faults;

type Node = Cluster['nodes'][number];

async function requirePrimary(cluster: Cluster): Promise<Node> {
  const primary = await cluster.findPrimary();
  if (!primary) throw new Error('There is no primary');
  return primary;
}

async function waitForOtherPrimary(cluster: Cluster, name: string): Promise<void> {
  for (const deadline = Date.now() + 120_000; Date.now() < deadline; await sleep(200)) {
    const primary = await cluster.findPrimary();
    if (primary && primary.name !== name) return;
  }
  throw new Error(`No node has replaced ${name}`);
}

/** Sends a signal to Patroni, then to PostgreSQL with all its processes. Returns their ids. */
function signalNode({ patroni, dataDir }: Node, signal: NodeJS.Signals): number[] {
  const [postmaster] = readFileSync(join(dataDir, 'postmaster.pid'), 'utf8').split('\n');
  const children = execFileSync('ps', ['-o', 'pid=', '--ppid', postmaster!]).toString().trim().split(/\s+/);
  const pids = [patroni.pid, Number(postmaster), ...children.map(Number)];
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      // A process of PostgreSQL may have ended meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
  return pids;
}
