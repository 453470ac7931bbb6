// npm run bench [-- --quick]: compares the server with its alternatives by turns, measures the server alone, and stores all
// bursts and the report in bench/results/. Checks every response.
// npm run bench -- --pair ours,mercurius [--turns 8]: one pair of peers, see peers.js; stores nothing.
// npm run bench -- --pair ours,base --base <dist/main.js>: compares this build with another one of the same schema.
import { readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measureOurs } from './ours.js';
import { defaultPairs, describePair, measurePair } from './pairs.js';
import { peers } from './peers.js';
import { describe, drawChart } from './report.js';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    /** Leaves out what is measured of our server alone. */
    'pairs-only': { type: 'boolean', default: false },
    pair: { type: 'string' },
    turns: { type: 'string' },
    /** In the table of each pair: more than its bursts delete. */
    groups: { type: 'string' },
    base: { type: 'string' },
    /** Of the results, such as 2026-11-26-node22; by default the date. */
    name: { type: 'string' },
  },
});
const plan = options.quick
  ? { groups: 300_000, turns: 2, burstSeconds: 2, rounds: 1, warmUpSeconds: 1, oneSeconds: 2 }
  : { groups: 1_000_000, turns: 8, burstSeconds: 3, rounds: 3, warmUpSeconds: 3, oneSeconds: 4 };
plan.turns = Number(options.turns ?? plan.turns);
plan.groups = Number(options.groups ?? plan.groups);
const say = (line) => process.stderr.write(`${line}\n`);

const pairs = (options.pair === undefined ? defaultPairs : [options.pair.split(',')]).map((names) => {
  if (names.length !== 2) throw new Error('--pair requires two names, such as ours,mercurius');
  return names.map(findPeer);
});
const measuredPairs = [];
for (const pair of pairs) {
  say(`${pair.map(({ title }) => title).join(' and ')}: filling ${plan.groups.toLocaleString('en')} groups`);
  const measured = await measurePair(pair, plan, say);
  measuredPairs.push(measured);
  process.stdout.write(`${describePair(pair, measured)}\n`);
}
const faults = measuredPairs.flatMap((measured) => measured.faults);
if (faults.length > 0) {
  say(`WRONG RESPONSES:\n${faults.join('\n')}`);
  process.exitCode = 1;
} else if (options.pair === undefined) {
  const report = {
    at: new Date().toISOString(),
    node: process.version,
    cpus: cpus().length,
    cpu: cpus()[0].model,
    plan,
    pairs: measuredPairs,
  };
  // First without our own figures, which take as long again: the pairs are not lost if that fails.
  await store(report);
  if (!options['pairs-only']) await store({ ...report, ours: await measureOurs({ plan, say }) });
  process.stdout.write(await readFile(`${pathOf(report)}.md`, 'utf8'));
}

function findPeer(name) {
  const ours = peers.find((peer) => peer.name === 'ours');
  const base = {
    ...ours,
    name: 'base',
    title: 'group-api, the other build',
    script: resolve(options.base ?? ''),
  };
  const available = options.base === undefined ? peers : [...peers, base];
  const peer = available.find((candidate) => candidate.name === name);
  if (!peer) throw new Error(`--pair: ${name} is none of ${available.map((one) => one.name).join(', ')}`);
  return peer;
}

/** Where the results are stored, without an extension. */
function pathOf({ at }) {
  const name = options.name ?? at.slice(0, 10) + (options.quick ? '-quick' : '');
  return fileURLToPath(new URL(`results/${name}`, import.meta.url));
}

/** Writes the bursts, the report and its chart. */
async function store(report) {
  const path = pathOf(report);
  await writeFile(`${path}.json`, `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(`${path}.md`, describe(report));
  await writeFile(`${path}.svg`, drawChart(report));
}
