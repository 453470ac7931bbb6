// npm run bench [-- --quick]: measures all peers with the same work, in several rounds, and checks every response.
// npm run bench -- --pair ours,mercurius [--turns 8]: compares two of them by turns, both running.
// npm run bench -- --pair ours,base --base <dist/main.js>: compares this build with another one of the same schema.
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { openBenchDatabase, runPgbench } from './database.js';
import { measureOurs } from './ours.js';
import { describePair, measurePair } from './pairs.js';
import { peers } from './peers.js';
import { describe, writeReport } from './report.js';
import { startPeer, stopPeers } from './server.js';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    rounds: { type: 'string' },
    pair: { type: 'string' },
    turns: { type: 'string', default: '8' },
    base: { type: 'string' },
  },
});
const plan = options.quick
  ? { groups: 200_000, rounds: 1, warmUpSeconds: 1, seconds: 3, oneSeconds: 2 }
  : { groups: 1_000_000, rounds: 3, warmUpSeconds: 3, seconds: 8, oneSeconds: 4 };
plan.rounds = Number(options.rounds ?? plan.rounds);
const selectedPeers = peers.filter(
  ({ name }) => options.only === '' || options.only.split(',').includes(name),
);
const say = (line) => process.stderr.write(`${line}\n`);

const loadScript = fileURLToPath(new URL('load.js', import.meta.url));
const faults = [];

say(`filling ${plan.groups.toLocaleString('en')} groups`);
const database = await openBenchDatabase(plan.groups);
const results = [];
let nextId = 1;
try {
  if (options.pair === undefined) await measureAll();
  else await comparePair(options.pair.split(','));
} finally {
  await stopPeers();
  await database.close();
}
if (faults.length > 0) {
  say(`WRONG RESPONSES:\n${faults.join('\n')}`);
  process.exitCode = 1;
}

/** Compares two peers by turns with 64 connections and with one, and prints the medians. */
async function comparePair(names) {
  const ours = peers.find(({ name }) => name === 'ours');
  const base = {
    ...ours,
    name: 'base',
    title: 'group-api, the other build',
    script: resolve(options.base ?? ''),
  };
  const known = options.base === undefined ? peers : [...peers, base];
  const pair = names.map((name) => {
    const peer = known.find((candidate) => candidate.name === name);
    if (!peer)
      throw new Error(`--pair: ${name} is none of ${known.map((candidate) => candidate.name).join(', ')}`);
    return peer;
  });
  if (pair.length !== 2) throw new Error('--pair takes two names, such as ours,mercurius');
  const bursts = [];
  for (const connections of [64, 1]) {
    const turns = Number(options.turns);
    bursts.push(...(await measurePair(pair, { database, connections, turns, load, say })));
  }
  process.stdout.write(describePair(pair, bursts));
}

/** Measures all selected peers one after the other, and writes the report. */
async function measureAll() {
  for (let round = 1; round <= plan.rounds; round++) {
    for (const peer of selectedPeers) results.push(...(await measure(peer, round)));
    if (options.only === '') results.push(...(await measurePgbench(round)));
  }
  const ours = options.only === '' ? await measureOurs({ plan, say }) : undefined;
  const report = {
    at: new Date().toISOString(),
    node: process.version,
    cpus: cpus().length,
    cpu: cpus()[0].model,
    plan,
    results,
    ours,
  };
  const folder = fileURLToPath(new URL('results/', import.meta.url));
  await mkdir(folder, { recursive: true });
  if (options.only === '') {
    const name = `${report.at.slice(0, 10)}${options.quick ? '-quick' : ''}`;
    await writeFile(`${folder}${name}.json`, `${JSON.stringify(report, null, 2)}\n`);
    await writeReport(report, `${folder}${name}`);
  }
  process.stdout.write(describe(report));
}

/** Measures one peer with 64 connections and with one, after a warm-up with each. */
async function measure(peer, round) {
  const server = await startPeer(peer, database.url);
  const measured = [];
  try {
    await load(peer, server, 64, plan.warmUpSeconds);
    for (const [connections, seconds] of [
      [64, plan.seconds],
      [1, plan.oneSeconds],
    ]) {
      const before = { server: server.cpuSeconds(), database: database.cpuSeconds() };
      const result = await load(peer, server, connections, seconds);
      measured.push({
        peer: peer.name,
        round,
        connections,
        perSecond: result.perSecond,
        p50: result.p50,
        p99: result.p99,
        max: result.max,
        answered: result.answered,
        serverCpu: (server.cpuSeconds() - before.server) / result.elapsed,
        databaseCpu: (database.cpuSeconds() - before.database) / result.elapsed,
        loadCpu: result.cpuSeconds / result.elapsed,
        memoryMb: server.memoryMb(),
        peakMemoryMb: server.peakMemoryMb(),
      });
      say(
        `round ${round}  ${peer.name.padEnd(13)} ${String(connections).padStart(2)} connections  ${result.perSecond.toFixed(0).padStart(6)}/s  p50 ${result.p50.toFixed(1)} ms  p99 ${result.p99.toFixed(1)} ms`,
      );
    }
  } finally {
    await server.stop();
  }
  return measured;
}

/** Runs the load generator, and then checks that the database agrees with the responses. */
async function load(peer, server, connections, seconds) {
  const { path, headers, query, resultPath, isConstant = false } = peer;
  const task = {
    port: server.port,
    path,
    headers,
    query,
    resultPath,
    isConstant,
    firstId: nextId,
    connections,
    seconds,
  };
  const { stdout } = await promisify(execFile)(process.execPath, [loadScript, JSON.stringify(task)]);
  const result = JSON.parse(stdout);
  faults.push(...result.faults.map((fault) => `${peer.name}: ${fault}`));
  if (!isConstant) await checkDatabase(peer, nextId, result);
  if (!isConstant) nextId = result.lastId + 1;
  return result;
}

async function checkDatabase(peer, firstId, { lastId, answered, faultCount }) {
  const range = [firstId, lastId];
  const [{ left }] = await database.sql(
    'SELECT count(*)::int AS left FROM groups WHERE id BETWEEN $1 AND $2',
    range,
  );
  const deleted = lastId - firstId + 1 - left;
  const [stored] = await database.sql(
    `SELECT (SELECT count(*)::int FROM deleted_groups WHERE id BETWEEN $1 AND $2) AS archived,
       (SELECT count(*)::int FROM audit_events WHERE operation = 'deleteGroup' AND outcome = 'done'
         AND target_ids[1]::int BETWEEN $1 AND $2) AS audited`,
    range,
  );
  if (deleted !== answered - faultCount)
    faults.push(`${peer.name}: ${answered} responses, but ${deleted} deleted`);
  if (peer.isAudited && (stored.archived !== deleted || stored.audited !== deleted))
    faults.push(`${peer.name}: ${deleted} deleted, ${stored.archived} archived, ${stored.audited} audited`);
}

async function measurePgbench(round) {
  const measured = [];
  for (const connections of [64, 1]) {
    const seconds = connections === 1 ? plan.oneSeconds : plan.seconds;
    const result = await runPgbench(database, { clients: connections, seconds, firstId: nextId });
    if (!result) return [];
    nextId = result.lastId + 1;
    measured.push({ peer: 'pgbench', round, connections, perSecond: result.perSecond, p50: result.p50 });
    say(
      `round ${round}  pgbench       ${String(connections).padStart(2)} connections  ${result.perSecond.toFixed(0).padStart(6)}/s`,
    );
  }
  return measured;
}
