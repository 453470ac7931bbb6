import type pg from 'pg';
import { OperatorError } from '../errors.ts';
import { checkAccounting } from './check-accounting.ts';
import { checkAudit } from './check-audit.ts';
import { checkEngine } from './check-engine.ts';
import { checkMigrations } from './check-migrations.ts';
import { checkPartitions } from './check-partitions.ts';
import { readRequiredPrivileges } from './required-privileges.ts';
import { checkRadius } from './check-radius.ts';
import { checkTimeZone } from './check-time-zone.ts';
import { failed, passed, warned, type CheckResult } from './check-result.ts';
import { defaultConnectTimeoutMs } from '../postgres/connect-timeout.ts';
import { createPool } from '../postgres/connection.ts';
import { searchPathOf, type DatabaseUrl } from '../postgres/database-url.ts';
import { applicationName } from '../embedded-postgres/cluster.ts';
import { findReadOnlyReason } from '../database/read-only.ts';
import { requireServer } from '../postgres/require-server.ts';
import type { SessionSettings } from '../postgres/transaction-settings.ts';
import { checkPooler } from './check-pooler.ts';

const statementTimeout = '10s';
/** Purges, expiries and tokens depend on the clocks of both machines. */
const clockSkewWarningMs = 2000;
const maxClockSkewMs = 60_000;

/** The settings that the checks depend on. */
export type CheckedSettings = {
  /** DATABASE_PREPARED_STATEMENTS. */
  readonly hasPreparedStatements: boolean;
  /** RADIUS_ACCOUNTING_SCHEMA; undefined if no Disconnect- and CoA-Requests are sent. */
  readonly accountingSchema: string | undefined;
};

/** Checks a database without changing it. Later checks are skipped if the server cannot be used. */
export async function checkDatabase(
  database: DatabaseUrl,
  { hasPreparedStatements, accountingSchema }: CheckedSettings,
): Promise<CheckResult[]> {
  const { description, schema } = database;
  try {
    const first = await withConnection(database, {}, async (pool) => {
      const server = await requireServer(pool, database);
      const summary = `Connected to ${description}: PostgreSQL ${server.version}, encoding UTF8, schema ${schema}`;
      return [
        await checkWritable(pool, summary),
        ...checkPooler(server, { hasPreparedStatements }),
        ...(await checkEngine(pool)),
      ];
    });
    // An engine that is not PostgreSQL may not execute the other checks.
    if (first.some(({ state, name }) => name === 'engine' && state === 'wrong')) return first;
    const others = await withConnection(database, { default_transaction_read_only: 'on' }, async (pool) => [
      await checkTimeZone(pool),
      ...(await checkTables(pool, schema)),
      ...(await checkAccounting(pool, accountingSchema)),
      await checkClock(pool),
    ]);
    return [...first, ...others];
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    // An engine that is not PostgreSQL may be the reason; a server that is unreachable has no engine.
    const engine = await withConnection(database, {}, checkEngine).catch(() => []);
    return [failed('database', error.message), ...engine];
  }
}

async function withConnection<T>(
  { connection, schema, sessionSettings }: DatabaseUrl,
  settings: SessionSettings,
  work: (pool: pg.Pool) => Promise<T>,
): Promise<T> {
  const pool = createPool(
    {
      application_name: applicationName,
      connectionTimeoutMillis: defaultConnectTimeoutMs,
      ...connection,
      max: 1,
    },
    {
      statement_timeout: statementTimeout,
      ...sessionSettings,
      search_path: searchPathOf(schema),
      ...settings,
    },
  );
  pool.on('error', () => undefined);
  try {
    return await work(pool);
  } finally {
    await pool.end();
  }
}

/** Checks that the database accepts writes. `summary` describes the server. */
async function checkWritable(client: pg.Pool, summary: string): Promise<CheckResult> {
  const reason = await findReadOnlyReason(client);
  return reason === undefined ? passed('database', summary) : failed('database', `${summary}. ${reason}`);
}

async function checkTables(client: pg.Pool, schema: string): Promise<CheckResult[]> {
  const { rows } = await client.query<{ user: string }>('SELECT current_user AS user');
  const { user } = rows[0]!;
  return [
    ...(await checkMigrations(client, schema, user)),
    await checkPrivileges(client, user),
    ...(await checkSequences(client, user)),
    ...(await checkAudit(client, user)),
    ...(await checkPartitions(client)),
    ...(await checkRadius(client)),
  ];
}

async function checkPrivileges(client: pg.Pool, user: string): Promise<CheckResult> {
  const { rows } = await client.query<{ table: string; missing: string[] }>(
    `SELECT entry.key AS table, array_agg(privilege ORDER BY privilege) AS missing
     FROM jsonb_each($1::jsonb) AS entry, jsonb_array_elements_text(entry.value) AS privilege
     WHERE to_regclass(entry.key) IS NOT NULL AND NOT has_table_privilege(to_regclass(entry.key), privilege)
     GROUP BY entry.key ORDER BY entry.key`,
    [JSON.stringify(await readRequiredPrivileges())],
  );
  if (rows.length === 0) return passed('permissions', `${user} has all required privileges`);
  const grants = rows.map(({ table, missing }) => `GRANT ${missing.join(', ')} ON ${table} TO ${user}`);
  return failed('permissions', `${user} lacks privileges: ${grants.join('; ')}`);
}

async function checkSequences(client: pg.Pool, user: string): Promise<CheckResult[]> {
  const { rows } = await client.query<{ sequence: string; may_read: boolean; may_set: boolean }>(
    `SELECT name AS sequence, has_sequence_privilege(to_regclass(name), 'SELECT') AS may_read,
       has_sequence_privilege(to_regclass(name), 'UPDATE') AS may_set
     FROM unnest(ARRAY['groups_id_seq', 'service_groups_id_seq']) AS name WHERE to_regclass(name) IS NOT NULL`,
  );
  const name = 'sequences';
  const unreadable = rows.filter(({ may_read: mayRead }) => !mayRead).map(({ sequence }) => sequence);
  if (unreadable.length > 0) {
    return [
      failed(name, `${user} lacks privileges: GRANT SELECT ON SEQUENCE ${unreadable.join(', ')} TO ${user}`),
    ];
  }
  const fixed = rows.filter(({ may_set: maySet }) => !maySet).map(({ sequence }) => sequence);
  if (fixed.length > 0) {
    const grant = `GRANT UPDATE ON SEQUENCE ${fixed.join(', ')} TO ${user}`;
    return [warned(name, `${user} cannot run \`groups import\`. To allow it: ${grant}`)];
  }
  return rows.length > 0
    ? [passed(name, `${user} can read the sequences, and advance them during an import`)]
    : [];
}

async function checkClock(client: pg.Pool): Promise<CheckResult> {
  const sentAt = Date.now();
  const { rows } = await client.query<{ now: string }>(
    'SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now',
  );
  const receivedAt = Date.now();
  const differenceMs = Math.round(Number(rows[0]!.now) - (sentAt + receivedAt) / 2);
  const text = `The database's clock is ${Math.abs(differenceMs)} ms ${differenceMs < 0 ? 'behind' : 'ahead of'} this machine's`;
  // The round trip may be spent in either direction, so half of it is uncertain.
  const certainMs = Math.abs(differenceMs) - (receivedAt - sentAt) / 2;
  const advice = 'Synchronize both by NTP, since retention, expiry and tokens depend on them';
  if (certainMs > maxClockSkewMs) return failed('clock', `${text}. ${advice}`);
  return certainMs > clockSkewWarningMs ? warned('clock', `${text}. ${advice}`) : passed('clock', text);
}
