import { execFileSync } from 'node:child_process';
import { waitUntil } from '../support/wait-until.ts';
import type { Program, Workshop } from './programs.ts';

/** Where the parts of a cluster listen, and how a node is cut off from the others. */
export type Networks = {
  /** The address of everything but the nodes. */
  readonly address: string;
  /** All addresses, as pg_hba.conf has them. */
  readonly range: string;
  /** Creates the network of a node. */
  add(index: number): Promise<{ readonly address: string; readonly network: Program | undefined }>;
  /** Cuts a node off from all others, or connects it again. */
  setConnected(index: number, isConnected: boolean): void;
};

/** Everything on the loopback address: no node can be cut off. */
const shared: Networks = {
  address: '127.0.0.1',
  range: '127.0.0.0/8',
  add: () => Promise.resolve({ address: '127.0.0.1', network: undefined }),
  setConnected() {
    throw new Error('Without network namespaces no node can be cut off');
  },
};

/** Whether this process has a network for itself, in which it may create others: see scripts/test-failover.js. */
export const hasNetworks = process.env['FAILOVER_NETWORK'] === 'own';

/** Gives each node a network namespace on a bridge, if `hasNetworks`. All end with their processes. */
export function openNetworks({ start }: Workshop): Networks {
  if (!hasNetworks) return shared;
  const ip = (...args: string[]) => execFileSync('ip', args);
  ip('link', 'add', 'cluster', 'type', 'bridge');
  ip('addr', 'add', '10.77.0.254/24', 'dev', 'cluster');
  ip('link', 'set', 'cluster', 'up');
  return {
    address: '10.77.0.254',
    range: '10.77.0.0/24',
    async add(index) {
      const network = start(`network${index}`, 'unshare', ['--net', 'sleep', 'infinity'], { asRoot: true });
      const enter = (...args: string[]) =>
        execFileSync('nsenter', [`--net=/proc/${network.pid}/ns/net`, 'ip', ...args]);
      const own = execFileSync('readlink', ['/proc/self/ns/net']).toString();
      await waitUntil(() => execFileSync('readlink', [`/proc/${network.pid}/ns/net`]).toString() !== own);
      ip('link', 'add', `node${index}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(network.pid));
      ip('link', 'set', `node${index}`, 'master', 'cluster', 'up');
      enter('link', 'set', 'lo', 'up');
      enter('addr', 'add', `10.77.0.${index}/24`, 'dev', 'eth0');
      enter('link', 'set', 'eth0', 'up');
      return { address: `10.77.0.${index}`, network };
    },
    setConnected: (index, isConnected) => void ip('link', 'set', `node${index}`, isConnected ? 'up' : 'down'),
  };
}
