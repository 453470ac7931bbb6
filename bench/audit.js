// Measures pages and totals of the audit log: every filter and every pair of filters, for frequent, rare and absent
// values, at the start, in the middle and at the end. Requires `npm run build`, and the URL of an empty database, or of
// one that this script has filled:
//   node bench/audit.js postgresql://postgres@localhost/audit_bench [events] [months] [dist of another build]
// With one month, all events are in one partition. Another build is measured by turns with this one. The figures are CPU times of
// PostgreSQL's process, which are independent of other load; if the database is on another machine, elapsed times.
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import pino from 'pino';

const [url, events = '1000000', monthCount = '1', otherDist] = process.argv.slice(2);
const count = Number(events);
const months = Number(monthCount);
if (!url) {
  throw new Error(
    'Usage: node bench/audit.js <url of an empty database> [events] [months] [dist of another build]',
  );
}
const runs = 4;
const dayMs = 86_400_000;

const builds = [];
const dists = [
  ...(otherDist === undefined ? [] : [['before', resolve(otherDist)]]),
  ['now', resolve(import.meta.dirname, '../dist')],
];
for (const [name, folder] of dists) {
  const load = (file) => import(pathToFileURL(`${folder}/${file}`).href);
  const { openDatabase } = await load('database/database.js');
  const { createAuditRepository } = await load('mutations/audit-events.js');
  // One connection, which prepares each statement once.
  const database = await openDatabase({ url, dataDir: '', poolSize: 1 }, pino({ level: 'silent' }));
  const audit = createAuditRepository(database.prisma);
  const [{ pid }] = await database.prisma.$queryRaw`SELECT pg_backend_pid() AS pid`;
  builds.push({ name, database, audit, pid });
}
const client = new pg.Client({ connectionString: url });
await client.connect();

const { rows: filled } = await client.query(
  `SELECT min(at) AS start, max(at) AS "end", count(*)::int AS count FROM audit_events`,
);
const isFilled = filled[0].count > 0;
if (isFilled && filled[0].count !== count) throw new Error(`The database has ${filled[0].count} events`);
const end = isFilled ? filled[0].end.getTime() : Date.now();
const start = isFilled ? filled[0].start.getTime() : end - months * 30 * dayMs;
if (!isFilled) {
  const startedAt = performance.now();
  if (months > 1) await addMonths();
  await fill();
  console.log(`${count} events written in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
}
// As the clean-up of a server does.
await builds.at(-1).audit.summarizeTimes();
const { rows: sizes } = await client.query(
  `SELECT count(*)::int AS partitions, pg_size_pretty(sum(pg_total_relation_size(inhrelid))) AS size
   FROM pg_inherits WHERE inhparent = 'audit_events'::regclass`,
);
console.log(`${count} events, ${sizes[0].partitions} partitions, ${sizes[0].size}`);

const at = (part) => new Date(Math.round(start + part * (end - start)));
const values = {
  account: ['admin', 'panel-3', 'rare', 'absent'],
  operation: ['deleteGroup', 'purgeDeletedGroup', 'absent'],
  targetId: ['7', '1000', 'rare', 'absent'],
  outcome: ['done', 'refused', 'replayed'],
  errorCode: ['NOT_FOUND', 'GROUP_PROTECTED', 'absent'],
  requestId: ['fixed', 'absent'],
};
const single = [
  { from: at(0.01) },
  { from: at(0.99) },
  { from: at(2) },
  { to: at(0.01) },
  { to: at(0.99) },
  { to: at(-1) },
  { from: at(0.3), to: at(0.30005) },
  { from: at(0.1), to: at(0.9) },
  ...Object.entries(values).flatMap(([name, list]) => list.map((value) => ({ [name]: value }))),
];
const pairs = single.flatMap((one, index) =>
  single
    .slice(index + 1)
    .filter((other) => !Object.keys(one).some((name) => name in other))
    .map((other) => ({ ...one, ...other })),
);

const places = [
  ['first', undefined],
  ['middle', BigInt(count) / 2n],
  ['last', 40n],
];
const results = [];
for (const filter of [{}, ...single, ...pairs]) {
  for (const [place, after] of places) {
    await measure(filter, place, (audit) => audit.search({ filter, first: 50, after }));
  }
  await measure(filter, 'total', (audit) => audit.count({ filter }));
}
for (const kind of ['page', 'total']) {
  const all = results.filter(({ page }) => (page === 'total') === (kind === 'total'));
  console.log(`${all.length} ${kind}s, the best of ${runs} runs each (CPU ms of PostgreSQL):`);
  const summary = builds.map(({ name }) => {
    const times = all.map((result) => result[name]).toSorted((one, other) => one - other);
    return {
      build: name,
      median: times[times.length >> 1],
      p95: times[Math.floor(times.length * 0.95)],
      slowest: times.at(-1),
      'above 20 ms': times.filter((ms) => ms > 20).length,
    };
  });
  console.table(summary);
  console.log('The slowest, and those with one filter at most:');
  const slowest = all.toSorted((one, other) => other.now - one.now).slice(0, 12);
  console.table([
    ...slowest,
    ...all.filter(({ filters, page }) => filters < 2 && page !== 'middle' && page !== 'last'),
  ]);
}
await client.end();
for (const { database } of builds) await database.close();

/** Measures by turns; the first execution, which may plan the statement, is reported separately. */
async function measure(filter, page, run) {
  const result = { filter: JSON.stringify(filter), filters: Object.keys(filter).length, page };
  for (const { name } of builds) Object.assign(result, { [name]: Infinity });
  for (let turn = 0; turn <= runs; turn++) {
    for (const { name, audit, pid } of builds) {
      const startedAt = readTime(pid);
      await run(audit);
      const ms = Number((readTime(pid) - startedAt).toFixed(1));
      if (turn === 0) result[`${name}, first`] = ms;
      else result[name] = Math.min(result[name], ms);
    }
  }
  results.push(result);
}

/** Returns the CPU time of a process on this machine in milliseconds, or the current time. */
function readTime(pid) {
  const isLocal =
    existsSync(`/proc/${pid}/cmdline`) &&
    readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith('postgres:');
  return isLocal
    ? Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[0]) / 1e6
    : performance.now();
}

/** Replaces the partition of all older rows by one for each month. */
async function addMonths() {
  const { rows } = await client.query(
    `SELECT substring(pg_get_expr(relpartbound, oid) FROM 'TO \\(''([^'']+)''')::timestamptz AS until FROM pg_class
     WHERE relname = 'audit_events_before_partitions'`,
  );
  await client.query(`ALTER TABLE audit_events DETACH PARTITION audit_events_before_partitions;
    DROP TABLE audit_events_before_partitions`);
  const month = new Date(start);
  month.setUTCDate(1);
  month.setUTCHours(0, 0, 0, 0);
  while (month < rows[0].until) {
    const from = month.toISOString();
    month.setUTCMonth(month.getUTCMonth() + 1);
    await client.query(`CREATE TABLE audit_events_${from.slice(0, 7).replace('-', '_')} PARTITION OF audit_events
      FOR VALUES FROM ('${from}') TO ('${month.toISOString()}')`);
  }
}

/** One in 5,000 events belongs to a transaction that took five minutes. One target has a tenth of all events. */
async function fill() {
  await client.query(
    `INSERT INTO audit_events (at, account, credential, address, request_id, operation, target_ids, outcome, error_code, before)
   SELECT $2::timestamptz + n * $3::float8 * interval '1 ms' - CASE WHEN n % 5000 = 0 THEN interval '300 s' ELSE (n % 3) * interval '1 s' END,
     CASE WHEN n IN (10, $1 / 2, $1 - 9) THEN 'rare' WHEN n % 2 = 0 THEN 'admin' ELSE 'panel-' || n % 20 END, 'api-key', '127.0.0.1',
     CASE WHEN n % 1000 = 0 THEN 'fixed' ELSE gen_random_uuid()::text END,
     CASE WHEN n IN (11, $1 / 2 + 1, $1 - 8) THEN 'purgeDeletedGroup'
       ELSE (ARRAY['deleteGroup', 'deleteGroup', 'deleteGroup', 'createGroup', 'editGroup', 'moveSubscribers'])[1 + n % 6] END,
     CASE WHEN n IN (12, $1 / 2 + 2, $1 - 7) THEN ARRAY['rare'] WHEN n % 10 = 3 THEN ARRAY['7']
       WHEN n % 6 = 5 THEN ARRAY[(n / 3)::text, (n / 2)::text] WHEN n % 1000 = 1 THEN ARRAY['a', 'b', n::text] ELSE ARRAY[(n / 3)::text] END,
     CASE WHEN n IN (14, $1 / 2 + 4, $1 - 5) THEN 'replayed' WHEN n % 11 = 0 THEN 'refused' WHEN n % 1001 = 0 THEN 'dry-run' ELSE 'done' END,
     CASE WHEN n IN (22, $1 / 2 + 5, $1 - 1) THEN 'GROUP_PROTECTED' WHEN n % 11 = 0 THEN 'NOT_FOUND' END,
     jsonb_build_object('id', n, 'name', 'Plan ' || n, 'price', '9.9000', 'description', repeat('-', 200))
   FROM generate_series(1, $1::int) n`,
    [count, new Date(start).toISOString(), (end - start) / count],
  );
  await client.query('VACUUM ANALYZE audit_events');
}
