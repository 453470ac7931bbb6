// npm run bench:soak [-- --minutes 30]: mixed load over HAProxy, two servers and PgBouncer, all on this machine. Measures the
// capacity first, with as many requests at once as there are connections, then sends a constant rate of 70 % of it, and
// prints errors, times, memory and connections. Fails if a response is unexpected, or the database differs from what the
// clients know. `--requests 4000` sends so many as fast as they are answered instead: what the test of this script runs.
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openClient } from './soak/client.js';
import { findDisagreements } from './soak/disagreements.js';
import { createTimes, startSampling } from './soak/measurements.js';
import { describeSoak } from './soak/report.js';
import { missingPrograms, openStack } from './soak/stack.js';
import { groupCount, openWorkload } from './soak/workload.js';

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    /** Requests a second, instead of a share of the capacity. */
    rate: { type: 'string' },
    share: { type: 'string', default: '0.7' },
    'warm-up-seconds': { type: 'string', default: '20' },
    'capacity-seconds': { type: 'string', default: '30' },
    /** Closed loop: so many requests, without a rate. */
    requests: { type: 'string' },
    connections: { type: 'string', default: '64' },
    /** For a busy machine: requests that fail since the servers are slow are sent again, and are no errors. */
    patient: { type: 'boolean', default: false },
    /** Where to store the report, without the extensions .md and .json. */
    out: { type: 'string' },
  },
});
/** In the open loop, a request waits for a connection if all are in use. Each server accepts 128 requests at a time. */
const maxConnections = 128;
/** So many requests wait for a connection before the test gives up: the rate is above the capacity. */
const maxWaiting = 20_000;
const tickMs = 4;

if (missingPrograms.length > 0) throw new Error(`The soak test needs ${missingPrograms.join(' and ')}`);
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => interrupted.abort());
const say = (line) => process.stderr.write(`${line}\n`);

say('starting PostgreSQL, PgBouncer, two servers and HAProxy');
const stack = await openStack({ groupCount, isPatient: options.patient });
const client = openClient(stack.proxy.port, maxConnections);
try {
  const workload = await openWorkload(stack.database, client, { isPatient: options.patient });
  const report = await measure(workload);
  process.stdout.write(describeSoak(report));
  if (options.out) {
    await writeFile(`${options.out}.md`, describeSoak(report));
    await writeFile(`${options.out}.json`, `${JSON.stringify(report)}\n`);
  }
  const faults = [...Object.values(report.errors), ...Object.values(report.disagreements)];
  if (interrupted.signal.aborted) process.exitCode = 130;
  else if (faults.some((count) => count > 0) || report.isOverloaded) process.exitCode = 1;
} finally {
  client.close();
  await stack.close();
}

/** Runs all phases and returns the report. */
async function measure(workload) {
  const connections = Number(options.connections);
  let capacity;
  let rate;
  if (options.requests === undefined) {
    say('warming up');
    await runClosedLoop(workload, connections, { seconds: Number(options['warm-up-seconds']) });
    if (options.rate === undefined) {
      const seconds = Number(options['capacity-seconds']);
      const measuredAt = performance.now();
      const requests = await runClosedLoop(workload, connections, { seconds });
      capacity = (requests / (performance.now() - measuredAt)) * 1000;
      say(`capacity: ${capacity.toFixed(0)} requests/s with ${connections} at a time`);
    }
    rate = capacity === undefined ? Number(options.rate) : capacity * Number(options.share);
  }

  const times = createTimes();
  workload.startMeasurement((kind, ms) => times.record(kind, ms));
  const sampling = startSampling(stack, client);
  const startedAt = new Date().toISOString();
  let isOverloaded = false;
  if (rate === undefined) await runClosedLoop(workload, connections, { requests: Number(options.requests) });
  else isOverloaded = await runOpenLoop(workload, rate, Number(options.minutes) * 60);
  const { samples, cores, seconds } = await sampling.stop();
  return {
    startedAt,
    node: process.version,
    capacity,
    rate,
    connections,
    isInterrupted: interrupted.signal.aborted,
    isOverloaded,
    seconds,
    cores,
    times: times.summarize(),
    errors: Object.fromEntries(workload.errors),
    disagreements: await findDisagreements(stack.database, workload),
    acknowledged: Object.fromEntries(workload.acknowledged),
    samples,
    tables: await readTables(),
  };
}

/** A fixed number of clients, each sending its next request after the response to the last one. Returns the number. */
async function runClosedLoop(workload, clients, { seconds = Infinity, requests = Infinity }) {
  const endsAt = performance.now() + seconds * 1000;
  let sent = 0;
  const work = async () => {
    while (performance.now() < endsAt && sent < requests && !interrupted.signal.aborted) {
      sent++;
      await workload.run(workload.next(), performance.now());
    }
  };
  await Promise.all(Array.from({ length: clients }, work));
  return sent;
}

/**
 * Starts requests at a constant rate, whatever the responses; the time of a request counts from when it is due. Returns
 * whether it gave up, since too many requests waited for a connection.
 */
async function runOpenLoop(workload, rate, seconds) {
  const startedAt = performance.now();
  const running = new Set();
  const count = Math.round(rate * seconds);
  let saidAt = startedAt;
  for (let sent = 0; sent < count && !interrupted.signal.aborted;) {
    const now = performance.now();
    if (client.queueLength() > maxWaiting) return true;
    for (; sent < count && startedAt + (sent / rate) * 1000 <= now; sent++) {
      const request = workload.run(workload.next(), startedAt + (sent / rate) * 1000);
      running.add(request);
      request.then(() => running.delete(request));
    }
    if (now - saidAt > 60_000) {
      saidAt = now;
      const minutes = ((now - startedAt) / 60_000).toFixed(0);
      say(
        `${minutes} min: ${sent} requests, ${workload.errors.size} kinds of errors, ${running.size} running`,
      );
    }
    await sleep(tickMs);
  }
  await Promise.all(running);
  return false;
}

/** The number of rows and the size of the tables that matter. */
function readTables() {
  return stack.database.sql(
    `SELECT relname AS name, sum(n_live_tup)::int AS rows, (sum(pg_total_relation_size(relid)) / 1e6)::float8 AS mb
     FROM (
       SELECT regexp_replace(relname, '_[0-9_]+$', '') AS relname, n_live_tup, relid FROM pg_stat_user_tables
     ) AS tables
     GROUP BY relname HAVING sum(n_live_tup) > 0 ORDER BY 3 DESC`,
  );
}
