// Measures pages and counts of searchGroups with a million groups: each filter, alone and in pairs, for frequent, rare
// and absent values, by each order. Requires `npm run build`, and the URL of an empty database:
//   node bench/search.js postgresql://postgres@localhost/search_bench [groups]
// A database that it has filled is used again. On Linux, with PostgreSQL on the same machine, the CPU time of PostgreSQL is
// measured, which does not depend on what else the machine does; otherwise the time until the result arrives.
import { existsSync, readFileSync } from 'node:fs';
import pg from 'pg';
import pino from 'pino';
import { openDatabase } from '../dist/database/database.js';
import { createGroupRepository } from '../dist/groups/group-repository.js';

const [url, groups = '1000000'] = process.argv.slice(2);
if (!url) throw new Error('Usage: node bench/search.js <url of an empty database> [groups]');
const runs = 3;

const database = await openDatabase({ url, dataDir: '', poolSize: 1 }, pino({ level: 'silent' }));
const client = new pg.Client({ connectionString: url });
await client.connect();
const { rows } = await client.query('SELECT count(*)::int AS count FROM groups');
if (rows[0].count === 0) await fill(Number(groups));

// Frequent, rare and absent. A text without three consecutive letters or digits cannot use an index.
const values = {
  text: ['days', 'reseller 4321', 'ماهانه', 'nowhere', 'gb', 'qx'],
  tagName: ['monthly', 'campaign-7', 'rare-7', 'absent'],
  serviceGroupId: [1, 300, 499, 99999],
  hidden: [true, false],
  minPrice: ['10', '125', '1000000'],
  maxPrice: ['100', '3'],
  minDuration: [60, 365, 1000],
  maxDuration: [90, 7, 6],
};
const single = Object.entries(values).flatMap(([name, list]) => list.map((value) => ({ [name]: value })));
// One frequent and one rare value of each, since the number of pairs is the square.
const inPairs = Object.entries(values).flatMap(([name, list]) =>
  list.slice(0, 2).map((value) => ({ [name]: value })),
);
const pairs = inPairs.flatMap((one, index) =>
  inPairs
    .slice(index + 1)
    .filter((other) => Object.keys(one)[0] !== Object.keys(other)[0])
    .map((other) => ({ ...one, ...other })),
);
const orders = ['ID', 'NAME', 'PRICE', 'DURATION', 'CREATED_AT'].flatMap((field) =>
  ['ASC', 'DESC'].map((direction) => ({ field, direction })),
);

const [{ pid }] = await database.prisma.$queryRawUnsafe('SELECT pg_backend_pid() AS pid');
const statistics = `/proc/${pid}/schedstat`;
const isLocal = existsSync(statistics) && readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('postgres');
const now = () =>
  isLocal ? Number(readFileSync(statistics, 'utf8').split(' ')[0]) / 1e6 : performance.now();

const repository = createGroupRepository(database.prisma);
const pages = [];
const counts = [];
for (const filter of [{}, ...single, ...pairs]) {
  const names = Object.keys(filter).join(' + ') || '(none)';
  for (const { field, direction } of orders) {
    const search = { filter, field, direction, first: 50, after: undefined };
    pages.push({
      names,
      filter: JSON.stringify(filter),
      order: `${field} ${direction}`,
      ms: await measure(() => repository.search(search)),
    });
  }
  counts.push({
    names,
    filter: JSON.stringify(filter),
    ms: await measure(() => repository.count({ filter })),
  });
}
summarize('pages', pages);
summarize('counts', counts);

await client.end();
await database.close();

/** Returns the median of a few runs, in milliseconds; of an error, its code. */
async function measure(work) {
  const times = [];
  // A slow one is not repeated: without the indexes, all of them would take hours.
  while (times.length < runs && !(times[0] > 200)) {
    const start = now();
    try {
      await work();
    } catch (error) {
      return error.code ?? error.message;
    }
    times.push(now() - start);
  }
  return Number(times.toSorted((one, other) => one - other)[Math.floor(times.length / 2)].toFixed(1));
}

function summarize(what, results) {
  const times = (list) =>
    list.map(({ ms }) => (typeof ms === 'number' ? ms : Infinity)).toSorted((one, other) => one - other);
  const percentile = (list, part) =>
    Number(
      times(list)
        .at(Math.floor((list.length - 1) * part))
        .toFixed(1),
    );
  const describe = (list) => ({
    searches: list.length,
    p50: percentile(list, 0.5),
    p95: percentile(list, 0.95),
    worst: percentile(list, 1),
  });
  console.log(`\n${what}, ${isLocal ? 'CPU ms of PostgreSQL' : 'ms'}`);
  const byNames = new Map();
  for (const result of results) byNames.set(result.names, [...(byNames.get(result.names) ?? []), result]);
  console.table(
    Object.fromEntries([
      ...[...byNames].map(([names, list]) => [names, describe(list)]),
      ['all', describe(results)],
    ]),
  );
  console.log(`the slowest ${what}:`);
  const slowest = results.toSorted((one, other) => times([other])[0] - times([one])[0]).slice(0, 25);
  console.table(slowest.map(({ names: _names, ...result }) => result));
}

/** Prices grow with the duration, older plans are hidden more often, and tags and service groups differ in frequency. */
async function fill(count) {
  const startedAt = performance.now();
  await client.query(
    `INSERT INTO service_groups (name) SELECT 'Reseller ' || n FROM generate_series(1, 500) n`,
  );
  await client.query(
    `INSERT INTO groups (name, description, tag_name, duration, price, hidden, service_group_id, created_at)
     SELECT
       CASE WHEN n % 5 = 0
         THEN 'اشتراک ' || (ARRAY['ماهانه', 'سه ماهه', 'شش ماهه', 'سالانه', 'هفتگی'])[1 + n * 31 % 5] || ' ' || size || ' گیگ R' || n % 5000
         ELSE (ARRAY['Basic', 'Family', 'Business', 'Student', 'Gaming', 'Premium'])[1 + n % 6] || ' ' || days || ' days ' || size || ' GB, reseller ' || n % 5000
       END,
       CASE WHEN n % 3 = 0 THEN ''
         ELSE (ARRAY['Servers in Germany and Finland', 'Servers in Turkey', 'For mobile operators only',
           'Static address on request, support by phone', 'Plan of the winter campaign ' || n % 997])[1 + n / 3 % 5]
       END,
       CASE WHEN n % 100000 = 7 THEN 'rare-' || n
         ELSE (ARRAY['monthly', 'quarterly', 'yearly', 'trial', 'campaign-' || n % 300])[1 + n / 7 % 5]
       END,
       days, round((days * 0.3 + size * 0.05 + n % 100 * 0.01)::numeric, 2),
       CASE WHEN n < $1 * 0.3 THEN n % 8 = 0 ELSE n % 500 = 0 END,
       CASE WHEN n % 10 = 0 THEN NULL ELSE 1 + floor(500 * power((n * 7919 % 1000) / 1000.0, 3))::int END,
       '2024-01-01Z'::timestamptz + n * interval '1 minute'
     FROM (
       SELECT n, (ARRAY[7, 30, 30, 30, 90, 180, 365, 30])[1 + n * 31 % 8] AS days,
         (ARRAY[10, 20, 50, 100, 200, 500])[1 + n * 17 % 6] AS size
       FROM generate_series(1, $1::bigint) n
     ) AS numbers`,
    [count],
  );
  await client.query('VACUUM ANALYZE groups');
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${count} groups written in ${seconds} s`);
}
