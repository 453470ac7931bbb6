// Measures pages of the audit log with a million events: every filter and every pair of filters, for frequent, rare and
// absent values, at the start, in the middle and at the end. Requires `npm run build`, and the URL of an empty database:
//   node bench/audit.js postgresql://postgres@localhost/audit_bench [events]
import pg from 'pg';
import pino from 'pino';
import { createAuditRepository } from '../dist/mutations/audit-events.js';
import { openDatabase } from '../dist/database/database.js';

const [url, events = '1000000'] = process.argv.slice(2);
const count = Number(events);
if (!url) throw new Error('Usage: node bench/audit.js <url of an empty database> [events]');

const database = await openDatabase({ url, dataDir: '', poolSize: 4 }, pino({ level: 'silent' }));
const client = new pg.Client({ connectionString: url });
await client.connect();
const startedAt = performance.now();
// One in 5,000 events belongs to a transaction that took five minutes. One target has a tenth of all events.
await client.query(
  `INSERT INTO audit_events (at, account, credential, address, request_id, operation, target_ids, outcome, error_code, before)
   SELECT '2026-01-01Z'::timestamptz + n * interval '1 s' - CASE WHEN n % 5000 = 0 THEN interval '300 s' ELSE (n % 3) * interval '1 s' END,
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
  [count],
);
await client.query('VACUUM ANALYZE audit_events');
console.log(`${count} events written in ${seconds(startedAt)} s`);

const at = (part) => new Date(Date.UTC(2026, 0, 1) + part * count * 1000);
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

const audit = createAuditRepository(database.prisma);
const results = [];
for (const filter of [{}, ...single, ...pairs]) {
  for (const [place, after] of [
    ['first', undefined],
    ['middle', BigInt(count) / 2n],
    ['last', 40n],
  ]) {
    const times = [];
    for (let run = 0; run < 3; run++) {
      const start = performance.now();
      await audit.search({ filter, first: 50, after });
      times.push(performance.now() - start);
    }
    results.push({ filter: JSON.stringify(filter), page: place, ms: Number(Math.min(...times).toFixed(1)) });
  }
}
results.sort((one, other) => other.ms - one.ms);
console.log(`${results.length} pages; the slowest of them, the best of three runs each:`);
console.table(results.slice(0, 20));

await client.end();
await database.close();

function seconds(start) {
  return ((performance.now() - start) / 1000).toFixed(1);
}
