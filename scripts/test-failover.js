// Rehearses ten faults in a cluster of Patroni, etcd, HAProxy and two servers, on this machine, and prints how long
// calls failed: test/failover/. With `--asynchronous`, in Patroni's asynchronous mode, to print what that loses. Needs
// dist/.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { runJest } from './run-jest.js';

const ownNetwork = 'own';
const { FAILOVER_NETWORK: network } = process.env;

/** Runs this script once more in a network namespace, in which nodes can be cut off. Needs root. */
function runInOwnNetwork() {
  const inside = ['--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];
  if (spawnSync('unshare', [...inside, 'ip', 'link', 'add', 'test', 'type', 'bridge']).status !== 0)
    return undefined;
  const command = [process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const env = { ...process.env, FAILOVER_NETWORK: ownNetwork };
  return spawnSync('unshare', [...inside, ...command], { stdio: 'inherit', env }).status ?? 1;
}

const status = network === ownNetwork ? undefined : runInOwnNetwork();
if (status === undefined) {
  const mode = process.argv.includes('--asynchronous') ? 'asynchronous' : 'synchronous';
  const environment = { FAILOVER_FAULTS: 'all', FAILOVER_MODE: mode };
  if (!runJest('jest.failover.config.js', [], environment)) process.exitCode = 1;
} else {
  process.exitCode = status;
}
