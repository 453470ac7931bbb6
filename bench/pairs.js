// Compares two servers by turns: both run, and bursts of load go to one and the other, first in the one order, then in
// the other. The ratio of two adjacent bursts does not depend on how fast the machine currently is.
import { setTimeout as sleep } from 'node:timers/promises';
import { startPeer } from './server.js';

const burstSeconds = 3;
/** Between two bursts: the responses of the last one are written, and sockets closed. */
const pauseMs = 200;

/**
 * Measures two peers by turns with a number of connections. `load(peer, server, connections, seconds)` runs a burst.
 * Returns one entry for each burst: its turn, and what a request cost the server and the database.
 */
export async function measurePair(pair, { database, connections, turns, load, say }) {
  const sides = [];
  for (const peer of pair) sides.push({ peer, server: await startPeer(peer, database.url) });
  for (const { peer, server } of sides) await load(peer, server, connections, burstSeconds);

  const bursts = [];
  for (let turn = 0; turn < turns; turn++) {
    const order = turn % 2 === 0 ? sides : sides.toReversed();
    for (const { peer, server } of order) {
      await sleep(pauseMs);
      const before = { server: server.cpuSeconds(), database: database.cpuSeconds() };
      const { answered, perSecond, p50, p99 } = await load(peer, server, connections, burstSeconds);
      const microseconds = (seconds) => (seconds / answered) * 1e6;
      bursts.push({
        turn,
        peer: peer.name,
        connections,
        perSecond,
        p50,
        p99,
        serverCpuUs: microseconds(server.cpuSeconds() - before.server),
        databaseCpuUs: microseconds(database.cpuSeconds() - before.database),
      });
    }
    say(describeTurn(pair, bursts, turn));
  }
  for (const { server } of sides) await server.stop();
  return bursts;
}

function describeTurn([one, other], bursts, turn) {
  const [first, second] = [one, other].map(({ name }) =>
    bursts.find((burst) => burst.turn === turn && burst.peer === name),
  );
  return `turn ${turn + 1}  ${one.name} ${first.perSecond.toFixed(0)}/s, ${other.name} ${second.perSecond.toFixed(0)}/s: ${(first.perSecond / second.perSecond).toFixed(2)}`;
}

/** Returns the bursts of two peers as a Markdown table: the median of each, and of the ratios of adjacent bursts. */
export function describePair([one, other], bursts) {
  const measures = [
    ['requests/s', ({ perSecond }) => perSecond, 0],
    ['p50 ms', ({ p50 }) => p50, 2],
    ['p99 ms', ({ p99 }) => p99, 1],
    ['CPU of the server, µs a request', ({ serverCpuUs }) => serverCpuUs, 0],
    ['CPU of the database, µs a request', ({ databaseCpuUs }) => databaseCpuUs, 0],
  ];
  const connections = [...new Set(bursts.map((burst) => burst.connections))];
  const rows = connections.flatMap((count) =>
    measures.map(([title, read, digits]) => {
      const valuesOf = ({ name }) =>
        bursts.filter((burst) => burst.connections === count && burst.peer === name);
      const values = valuesOf(one).map(read);
      const others = valuesOf(other)
        .toSorted((a, b) => a.turn - b.turn)
        .map(read);
      const ratios = values.map((value, turn) => value / others[turn]).toSorted((a, b) => a - b);
      return [
        count,
        title,
        median(values).toFixed(digits),
        median(others).toFixed(digits),
        Number.isFinite(median(ratios)) ? median(ratios).toFixed(2) : '–',
        Number.isFinite(median(ratios)) ? `${ratios[0].toFixed(2)}–${ratios.at(-1).toFixed(2)}` : '–',
      ];
    }),
  );
  const head = ['connections', 'measure', one.title, other.title, 'ratio', 'lowest and highest'];
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line), ''].join('\n');
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}
