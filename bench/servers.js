// node bench/servers.js: several servers on one database, on this machine. All run all the time; bursts of load go to
// one, two and four of them by turns, so that a disturbance of the machine affects all alike. Prints deletes a second, the
// deletes of a statement, the CPU of a delete, and what the connections of PostgreSQL wait for. Requires `npm run build`.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openBenchDatabase } from './database.js';
import { median } from './median.js';
import { patient, peers } from './peers.js';
import { runCheckedLoad } from './run-load.js';
import { startPeer } from './server.js';

const ours = peers.find(({ name }) => name === 'ours');
const connections = 64;
/** Each server is warm after this many requests, however many servers share the machine. */
const warmUpRequests = 4000;

/** Counts what the active connections of PostgreSQL wait for, until the signal is aborted. */
async function sampleWaits(database, signal) {
  const counts = new Map();
  while (!signal.aborted) {
    for (const { wait, count } of await database.sql(
      `SELECT coalesce(wait_event_type || ' ' || wait_event, 'none: runs') AS wait, count(*)::int AS count
       FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND backend_type = 'client backend' GROUP BY 1`,
    ))
      counts.set(wait, (counts.get(wait) ?? 0) + count);
    await sleep(20);
  }
  return counts;
}

/**
 * Measures bursts on the first 1, 2 and 4 of four servers. `groups` limits the ids of each burst. Returns by count the
 * medians of the rounds, and the median of the throughput relative to one server in the same round.
 */
export async function measureServers({ rounds, seconds, counts = [1, 2, 4] }, say = () => {}) {
  const idsOfBurst = Math.ceil(seconds * 3500);
  const most = Math.max(...counts);
  const database = await openBenchDatabase(most * warmUpRequests + rounds * counts.length * idsOfBurst);
  let nextId = 1;
  const servers = [];
  try {
    while (servers.length < most) servers.push(await startPeer(patient(ours), database.url));
    for (const server of servers) {
      await runCheckedLoad(ours, [server], {
        firstId: nextId,
        connections,
        seconds: 120,
        requests: warmUpRequests,
      });
      nextId += warmUpRequests;
    }
    const cpuOf = () => ({
      servers: servers.reduce((sum, server) => sum + server.cpuSeconds(), 0),
      database: database.cpuSeconds(),
    });
    const bursts = counts.map(() => []);
    for (let round = 1; round <= rounds; round++) {
      for (const [index, count] of counts.entries()) {
        const sampling = new AbortController();
        const waits = sampleWaits(database, sampling.signal);
        const before = cpuOf();
        const run = await runCheckedLoad(ours, servers.slice(0, count), {
          firstId: nextId,
          connections,
          seconds,
          requests: idsOfBurst,
        });
        const after = cpuOf();
        sampling.abort();
        const deletes = run.answered;
        const [{ statements }] = await database.sql(
          `SELECT count(DISTINCT xmin::text)::int AS statements FROM audit_events
           WHERE target_ids[1]::int >= $1 AND target_ids[1]::int < $1 + $2::int`,
          [nextId, idsOfBurst],
        );
        nextId += idsOfBurst;
        bursts[index].push({
          perSecond: run.perSecond,
          p50: run.p50,
          p99: run.p99,
          deletesPerStatement: deletes / statements,
          serverMs: ((after.servers - before.servers) * 1000) / deletes,
          databaseMs: ((after.database - before.database) * 1000) / deletes,
          loadMs: (run.cpuSeconds * 1000) / deletes,
          waits: await waits,
        });
        const { perSecond, deletesPerStatement, serverMs, databaseMs } = bursts[index].at(-1);
        say(
          `round ${round}  ${count} servers  ${perSecond.toFixed(0)}/s  ${deletesPerStatement.toFixed(1)} a statement  ` +
            `CPU ms: ${serverMs.toFixed(2)} + ${databaseMs.toFixed(2)}`,
        );
      }
    }
    return Object.fromEntries(counts.map((count, index) => [count, summarize(bursts[index], bursts[0])]));
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
    await database.close();
  }
}

function summarize(bursts, bursts1) {
  const waits = new Map();
  for (const burst of bursts)
    for (const [wait, count] of burst.waits) waits.set(wait, (waits.get(wait) ?? 0) + count);
  const samples = [...waits.values()].reduce((sum, count) => sum + count, 0);
  const of = (name) => median(bursts.map((burst) => burst[name]));
  return {
    perSecond: of('perSecond'),
    ratio: median(bursts.map(({ perSecond }, round) => perSecond / bursts1[round].perSecond)),
    p50: of('p50'),
    p99: of('p99'),
    deletesPerStatement: of('deletesPerStatement'),
    serverMs: of('serverMs'),
    databaseMs: of('databaseMs'),
    loadMs: of('loadMs'),
    cpuMsPerDelete: median(bursts.map(({ serverMs, databaseMs }) => serverMs + databaseMs)),
    waits: Object.fromEntries(
      [...waits]
        .toSorted((a, b) => b[1] - a[1])
        .slice(0, 4)
        .map(([wait, count]) => [wait, `${Math.round((count / samples) * 100)} %`]),
    ),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      counts: { type: 'string', default: '1,2,4' },
    },
  });
  const measured = await measureServers(
    {
      rounds: Number(values.rounds),
      seconds: Number(values.seconds),
      counts: values.counts.split(',').map(Number),
    },
    (line) => process.stderr.write(`${line}\n`),
  );
  for (const [count, { waits, ...figures }] of Object.entries(measured)) {
    const rounded = Object.entries(figures).map(([name, value]) => `${name} ${value.toFixed(2)}`);
    console.log(`${count} servers: ${rounded.join('  ')}\n  PostgreSQL waits for`, waits);
  }
}
