// Measures how long the pending migrations of this version block a server: fills a database of an older version, and migrates it
// while one connection a table writes. Requires `npm run build`, and the URL of an empty database:
//   node bench/migration-locks.js postgresql://postgres@localhost/locks [groups] [subscribers] [audit events] [last old migration]
import pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { migrate, readMigrations } from '../dist/database/migrations.js';

const [url, groups = '100000', subscribers = '500000', events = '500000', last = '0008_moved_subscribers'] =
  process.argv.slice(2);
if (!url)
  throw new Error(
    'Usage: node bench/migration-locks.js <url> [groups] [subscribers] [events] [last old migration]',
  );

const admin = await connect();
await createOlderTables();
await fill();

const done = new AbortController();
const writes = {
  groups: `UPDATE groups SET version = version + 1 WHERE id = 1 + (random() * ${Number(groups) - 1})::int`,
  subscribers: `INSERT INTO subscribers (group_id, username) VALUES (1 + (random() * ${Number(groups) - 1})::int, gen_random_uuid()::text)`,
  subscriber_history: `INSERT INTO subscriber_history (group_id, username, starts_at) VALUES (1, 'writer', now())`,
  audit_events: `INSERT INTO audit_events (account, credential, address, request_id, operation, target_ids, outcome)
    VALUES ('writer', 'api-key', '127.0.0.1', gen_random_uuid()::text, 'editGroup', '{1}', 'done')`,
  deleted_groups: `UPDATE deleted_groups SET subscribers_moved = 0 WHERE id = 0`,
};
const writers = Object.entries(writes).map(([table, sql]) => write(table, sql));
const holds = observeLocks();

const pool = new pg.Pool({ connectionString: url, max: 4, application_name: 'migrating' });
const startedAt = performance.now();
const applied = await migrate(pool, 'public', (line) => console.log(`${seconds(startedAt)} s: ${line}`));
console.log(`migrated in ${seconds(startedAt)} s: ${applied.join(', ')}`);
done.abort();

console.log('\nThe longest time that a write took while the database was migrated:');
console.table(await Promise.all(writers));
console.log(
  'Locks of the migration that block writes, by the longest time that they were seen (every 5 ms):',
);
console.table((await holds).toSorted((one, other) => other.ms - one.ms).slice(0, 20));
await pool.end();
await admin.end();

async function connect() {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

async function createOlderTables() {
  const migrations = await readMigrations();
  await admin.query(`CREATE TABLE _prisma_migrations (
    id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL,
    logs TEXT, rolled_back_at TIMESTAMPTZ, started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0)`);
  for (const { name, sql, checksum } of migrations.filter((migration) => migration.name <= last)) {
    await admin.query(sql);
    await admin.query(
      'INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES (left($1, 36), $2, $1, now())',
      [name, checksum],
    );
  }
}

async function fill() {
  const filledAt = performance.now();
  const perGroup = Number(subscribers) / Number(groups);
  await admin.query(
    `INSERT INTO groups (name, tag_name, duration, price, description)
     SELECT 'Plan ' || md5(n::text), 'tag-' || n % 1000, n % 365, n % 100, 'A plan for ' || n % 977 || ' devices' FROM generate_series(1, $1::int) n`,
    [groups],
  );
  await admin.query(
    `INSERT INTO subscribers (group_id, username, starts_at) SELECT 1 + (n / $2::float)::int % $3::int, 'user' || n, now() FROM generate_series(1, $1::int) n`,
    [subscribers, perGroup, groups],
  );
  await admin.query(
    `INSERT INTO subscriber_history (group_id, username, starts_at, removed_at)
     SELECT 1 + n % $2::int, 'former' || n, now() - interval '1 year', now() - n * interval '10 s' FROM generate_series(1, $1::int) n`,
    [events, groups],
  );
  await admin.query(
    `INSERT INTO audit_events (at, account, credential, address, request_id, operation, target_ids, outcome, before)
     SELECT now() - ($1::int - n) * interval '10 s', 'admin', 'api-key', '127.0.0.1', gen_random_uuid()::text, 'editGroup',
       ARRAY[(n % $2::int)::text], 'done', jsonb_build_object('id', n, 'name', 'Plan ' || n, 'description', repeat('-', 100))
     FROM generate_series(1, $1::int) n`,
    [events, groups],
  );
  await admin.query('VACUUM ANALYZE');
  console.log(
    `${groups} groups, ${subscribers} subscribers, ${events} events and former subscribers written in ${seconds(filledAt)} s`,
  );
}

/** Repeats a write until the migration is done, and returns the longest time that one took. */
async function write(table, sql) {
  const client = await connect();
  let [longest, count, failed] = [0, 0, 0];
  while (!done.signal.aborted) {
    const sentAt = performance.now();
    await client.query(sql).catch(() => failed++);
    longest = Math.max(longest, performance.now() - sentAt);
    count++;
    await sleep(5);
  }
  await client.end();
  return { table, writes: count, failed, longestMs: Math.round(longest) };
}

/** Returns for how long each lock of the migration that conflicts with writes was seen. */
async function observeLocks() {
  const client = await connect();
  const since = new Map();
  const longest = new Map();
  while (!done.signal.aborted) {
    const { rows } = await client.query(
      `SELECT relname || ' ' || mode AS key FROM pg_locks l JOIN pg_class c ON c.oid = relation JOIN pg_stat_activity a USING (pid)
       WHERE granted AND application_name = 'migrating' AND relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
         AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')`,
    );
    const now = performance.now();
    const keys = new Set(rows.map(({ key }) => key));
    for (const key of keys) {
      since.set(key, since.get(key) ?? now);
      longest.set(key, Math.max(longest.get(key) ?? 0, now - since.get(key)));
    }
    for (const key of since.keys()) if (!keys.has(key)) since.delete(key);
    await sleep(5);
  }
  await client.end();
  return [...longest].map(([lock, ms]) => ({ lock, ms: Math.round(ms) }));
}

function seconds(start) {
  return ((performance.now() - start) / 1000).toFixed(1);
}
