// Compares two servers by turns: both run, and bursts of load go to one and the other, first in the one order, then in
// the other. The ratio of two adjacent bursts does not depend on how fast the machine currently is.
import { setTimeout as sleep } from 'node:timers/promises';
import { openBenchDatabase } from './database.js';
import { median } from './median.js';
import { patient } from './peers.js';
import { runLoad } from './run-load.js';
import { startPeer, stopPeers } from './server.js';

/** What is compared by default: the names of peers. */
export const defaultPairs = [
  'mercurius',
  'statement',
  'postgraphile',
  'ceiling',
  'careful',
  'yoga-statement',
  'fastify',
].map((other) => ['ours', other]);
/** A process is warm after so many requests: see docs/performance.md. Slow peers get a time limit. */
const warmUp = { connections: 64, requests: 4000, seconds: 20 };
const connectionCounts = [64, 1];
/** Between two bursts: the responses of the last one are written, and sockets closed. */
const pauseMs = 200;

/**
 * Measures two peers by turns, with 64 connections and with one, on a new database of `plan.groups` groups; a peer with
 * `prepare` has a database of its own. Returns one entry for each burst with its turn and what a request cost the server
 * and the database, and all wrong responses.
 */
export async function measurePair(pair, plan, say) {
  const faults = [];
  const tables = [];
  const openTable = async () => {
    const table = { database: await openBenchDatabase(plan.groups), nextId: 1 };
    tables.push(table);
    return table;
  };
  /** Sends one burst, and then checks that the database agrees with the responses. */
  const load = async ({ peer, server, table }, task) => {
    const readCpu = () => ({ server: server.cpuSeconds(), database: table.database.cpuSeconds() });
    const firstId = table.nextId;
    const before = readCpu();
    const result = await runLoad(peer, [server], { ...task, firstId });
    const after = readCpu();
    faults.push(...result.faults.map((fault) => `${peer.name}: ${fault}`));
    if (!peer.isConstant) {
      table.nextId = result.lastId + 1;
      if (table.nextId > plan.groups)
        throw new Error(`all ${plan.groups} groups are deleted: use --groups for more`);
      faults.push(...(await findDisagreements(table.database, peer, firstId, result)));
    }
    const microseconds = (seconds) => (seconds / result.answered) * 1e6;
    return {
      perSecond: result.perSecond,
      p50: result.p50,
      p99: result.p99,
      serverCpuUs: microseconds(after.server - before.server),
      databaseCpuUs: microseconds(after.database - before.database),
      loadCpuUs: microseconds(result.cpuSeconds),
      peakMemoryMb: server.peakMemoryMb(),
    };
  };
  const sides = [];
  try {
    const common = await openTable();
    for (const peer of pair) {
      const table = peer.prepare ? await openTable() : common;
      const prepared = await peer.prepare?.(table.database);
      const server = await startPeer(
        patient({ ...peer, settings: { ...peer.settings, ...prepared?.settings } }),
        table.database.url,
      );
      sides.push({ peer, server, table, stop: await prepared?.start(server, peer.headers) });
    }
    for (const side of sides) await load(side, warmUp);
    const bursts = [];
    for (const connections of connectionCounts) {
      const task = { connections, seconds: plan.burstSeconds };
      // The first turn is a warm-up with this number of connections.
      for (let turn = 0; turn <= plan.turns; turn++) {
        for (const side of turn % 2 === 0 ? sides : sides.toReversed()) {
          await sleep(pauseMs);
          const burst = { turn, peer: side.peer.name, connections, ...(await load(side, task)) };
          if (turn > 0) bursts.push(burst);
        }
        if (turn > 0) say(describeTurn(pair, bursts, connections, turn));
      }
    }
    return { peers: pair.map(({ name }) => name), bursts, faults };
  } finally {
    for (const { stop } of sides) stop?.();
    await stopPeers();
    for (const { database } of tables) await database.close();
  }
}

/** Returns how the responses of a burst and the database differ, as lines. */
async function findDisagreements({ sql }, peer, firstId, { lastId, answered, faultCount }) {
  const [{ left, archived, audited }] = await sql(
    `SELECT (SELECT count(*)::int FROM groups WHERE id BETWEEN $1 AND $2) AS left,
       (SELECT count(*)::int FROM deleted_groups WHERE id BETWEEN $1 AND $2) AS archived,
       (SELECT count(*)::int FROM audit_events WHERE operation = 'deleteGroup' AND outcome = 'done'
         AND target_ids[1]::int BETWEEN $1 AND $2) AS audited`,
    [firstId, lastId],
  );
  const deleted = lastId - firstId + 1 - left;
  const faults = [];
  if (deleted !== answered - faultCount)
    faults.push(`${peer.name}: ${answered} responses, but ${deleted} deleted`);
  if (peer.isAudited && (archived !== deleted || audited !== deleted))
    faults.push(`${peer.name}: ${deleted} deleted, ${archived} archived, ${audited} audited`);
  return faults;
}

function describeTurn([one, other], bursts, connections, turn) {
  const [first, second] = [one, other].map(({ name }) =>
    bursts.find((burst) => burst.turn === turn && burst.connections === connections && burst.peer === name),
  );
  return (
    `${connections} connections, turn ${turn}  ${one.name} ${first.perSecond.toFixed(0)}/s, ` +
    `${other.name} ${second.perSecond.toFixed(0)}/s: ${(first.perSecond / second.perSecond).toFixed(2)}`
  );
}

/** Returns the values of a peer's bursts with so many connections, in the order of the turns. */
export function valuesOf({ bursts }, name, connections, read) {
  return bursts
    .filter((burst) => burst.connections === connections && burst.peer === name)
    .toSorted((one, other) => one.turn - other.turn)
    .map(read);
}

/** Returns the ratio of the two peers' values in each turn. */
export function ratiosOf(measured, connections, read) {
  const [values, others] = measured.peers.map((name) => valuesOf(measured, name, connections, read));
  return values.map((value, turn) => value / others[turn]);
}

/** Returns a measured pair as a Markdown table: the median of each peer, and of the ratios of adjacent bursts. */
export function describePair([one, other], measured) {
  const measures = [
    ['requests/s', ({ perSecond }) => perSecond, 0],
    ['p50 ms', ({ p50 }) => p50, 2],
    ['p99 ms', ({ p99 }) => p99, 1],
    ['CPU of the server, µs a request', ({ serverCpuUs }) => serverCpuUs, 0],
    ['CPU of the database, µs a request', ({ databaseCpuUs }) => databaseCpuUs, 0],
    ['peak memory of the server, MB', ({ peakMemoryMb }) => peakMemoryMb, 0],
  ];
  const rows = connectionCounts.flatMap((count) =>
    measures.map(([title, read, digits]) => {
      const [value, otherValue] = measured.peers.map((name) => median(valuesOf(measured, name, count, read)));
      const ratios = ratiosOf(measured, count, read).filter(Number.isFinite);
      return [
        count,
        title,
        value.toFixed(digits),
        otherValue.toFixed(digits),
        ratios.length > 0 ? median(ratios).toFixed(2) : '–',
        ratios.length > 0 ? `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}` : '–',
      ];
    }),
  );
  const head = ['connections', 'measure', one.title, other.title, 'ratio', 'lowest and highest'];
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line), ''].join('\n');
}
