// node bench/starts.js [--base <main.js>] [--nodes <node>,<node>] [--turns 7]: measures starts on a running PostgreSQL,
// by turns: of this build, of PostGraphile, and of another build, with each Node executable. Prints medians. Requires
// `npm run build` and `npm --prefix bench ci`.
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openBenchDatabase } from './database.js';
import { untilSuccessful } from './graphql-request.js';
import { median } from './median.js';
import { patient, peers } from './peers.js';
import { startPeer, stopPeers } from './server.js';

const { values: options } = parseArgs({
  options: {
    base: { type: 'string' },
    nodes: { type: 'string', default: process.execPath },
    turns: { type: 'string', default: '7' },
  },
});
/** After which an idle server has collected the garbage of its start. */
const idleMs = 3000;

const findPeer = (wanted) => patient(peers.find(({ name }) => name === wanted));
const ours = { ...findPeer('ours'), ask: '{ registrationGroups { id } }' };
const servers = [ours, { ...findPeer('postgraphile'), ask: '{ __typename }' }];
if (options.base)
  servers.push({ ...ours, name: 'base', title: 'the other build', script: resolve(options.base) });
const sides = options.nodes
  .split(',')
  .flatMap((node) => servers.map((peer) => ({ ...peer, node, version: versionOf(node), starts: [] })));

const database = await openBenchDatabase(1000);
try {
  // The other build may have an older schema: the first start, which does not count, creates it.
  await database.sql('CREATE DATABASE base');
  for (let turn = 0; turn <= Number(options.turns); turn++) {
    for (const side of turn % 2 === 0 ? sides : sides.toReversed()) {
      const start = await measureStart(side);
      if (turn > 0) side.starts.push(start);
    }
  }
} finally {
  await stopPeers();
  await database.close();
}
const columns = ['readyMs', 'firstResponseMs', 'cpuMs', 'idleMb'];
const line = (cells) => `| ${cells.join(' | ')} |`;
console.log(
  line([
    'server',
    'Node',
    'ms until it listens',
    'ms from then to the first response',
    'CPU ms until that response',
    'idle MB',
  ]),
);
console.log(line(['---', '---', ...columns.map(() => '---:')]));
for (const { title, version, starts } of sides)
  console.log(
    line([title, version, ...columns.map((name) => median(starts.map((start) => start[name])).toFixed(0))]),
  );

/** Starts a server, sends it one request, and stops it. */
async function measureStart(side) {
  const server = await startPeer(side, side.name === 'base' ? withName(database.url, 'base') : database.url);
  const readyMs = performance.now() - server.startedAt;
  await untilSuccessful(server, side.ask);
  const firstResponseMs = performance.now() - server.startedAt - readyMs;
  const cpuMs = server.cpuSeconds() * 1000;
  await sleep(idleMs);
  const idleMb = server.memoryMb();
  await server.stop();
  return { readyMs, firstResponseMs, cpuMs, idleMb };
}

function withName(url, name) {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

function versionOf(node) {
  return execFileSync(node, ['--version']).toString().trim();
}
