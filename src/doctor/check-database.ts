import type pg from 'pg';
import { OperatorError } from '../errors.ts';
import { checkMigrations } from './check-migrations.ts';
import { readTables } from './check-structure.ts';
import { checkTimeZone } from './check-time-zone.ts';
import { ok, warning, wrong, type Check } from './check-result.ts';
import { createPool } from '../database/connection.ts';
import { searchPathOf, type DatabaseUrl } from '../database/database-url.ts';
import { applicationName } from '../embedded-postgres/cluster.ts';
import { findReadOnlyReason } from '../database/read-only.ts';
import { requireServer } from '../database/require-server.ts';

const connectTimeoutMs = 3000;
const statementTimeoutMs = 10_000;
/** How far the clocks of two machines are usually apart, and how far they must not be: purges, expiries and tokens go by both. */
const usualClockDifferenceMs = 2000;
const greatestClockDifferenceMs = 60_000;

const readAndWrite = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];
/** What the server does with a table where it does not do all. docs/operations.md has the same as GRANTs. */
const fewerPrivileges = { audit_events: ['SELECT', 'INSERT'], _prisma_migrations: ['SELECT'] };

/** Checks a database as far as it gets, and without any change. */
export async function checkDatabase(database: DatabaseUrl): Promise<Check[]> {
  const { connection, description, schema } = database;
  // One connection, of which a failure to connect is told by the first query.
  const pool = createPool(
    {
      ...connection,
      application_name: applicationName,
      max: 1,
      connectionTimeoutMillis: connectTimeoutMs,
    },
    { search_path: searchPathOf(schema) },
  );
  pool.on('error', () => undefined);
  try {
    const version = await requireServer(pool, database);
    // Not as a start-up parameter, which PgBouncer rejects.
    await pool.query(`SET statement_timeout = ${statementTimeoutMs}`);
    const writable = await checkWritable(
      pool,
      `${description} answers: PostgreSQL ${version}, encoded in UTF8, schema ${schema}`,
    );
    await pool.query('SET default_transaction_read_only = on');
    return [
      writable,
      await checkTimeZone(pool),
      ...(await checkTables(pool, schema)),
      await checkClock(pool),
    ];
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return [wrong('database', error.message)];
  } finally {
    await pool.end();
  }
}

/** `answer` is what is said of one that takes changes. */
async function checkWritable(client: pg.Pool, answer: string): Promise<Check> {
  const reason = await findReadOnlyReason(client);
  return reason === undefined ? ok('database', answer) : wrong('database', `${answer}. ${reason}`);
}

async function checkTables(client: pg.Pool, schema: string): Promise<Check[]> {
  const { rows } = await client.query<{ user: string }>('SELECT current_user AS user');
  const { user } = rows[0]!;
  return [
    ...(await checkMigrations(client, schema, user)),
    await checkPrivileges(client, user),
    ...(await checkSequences(client, user)),
    ...(await checkAudit(client, user)),
  ];
}

async function checkPrivileges(client: pg.Pool, user: string): Promise<Check> {
  const tables = Object.keys(readTables(client));
  const privileges = {
    ...Object.fromEntries(tables.map((table) => [table, readAndWrite])),
    ...fewerPrivileges,
  };
  const { rows } = await client.query<{ table: string; missing: string[] }>(
    `SELECT entry.key AS table, array_agg(privilege ORDER BY privilege) AS missing
     FROM jsonb_each($1::jsonb) AS entry, jsonb_array_elements_text(entry.value) AS privilege
     WHERE to_regclass(entry.key) IS NOT NULL AND NOT has_table_privilege(to_regclass(entry.key), privilege)
     GROUP BY entry.key ORDER BY entry.key`,
    [JSON.stringify(privileges)],
  );
  if (rows.length === 0) return ok('permissions', `${user} may do what the server does with each table`);
  const grants = rows.map(({ table, missing }) => `GRANT ${missing.join(', ')} ON ${table} TO ${user}`);
  return wrong('permissions', `${user} lacks rights: ${grants.join('; ')}`);
}

async function checkSequences(client: pg.Pool, user: string): Promise<Check[]> {
  const { rows } = await client.query<{ sequence: string; may_read: boolean; may_set: boolean }>(
    `SELECT name AS sequence, has_sequence_privilege(to_regclass(name), 'SELECT') AS may_read,
       has_sequence_privilege(to_regclass(name), 'UPDATE') AS may_set
     FROM unnest(ARRAY['groups_id_seq', 'service_groups_id_seq']) AS name WHERE to_regclass(name) IS NOT NULL`,
  );
  const name = 'sequences';
  const unreadable = rows.filter(({ may_read: mayRead }) => !mayRead).map(({ sequence }) => sequence);
  if (unreadable.length > 0) {
    return [
      wrong(name, `${user} lacks rights: GRANT SELECT ON SEQUENCE ${unreadable.join(', ')} TO ${user}`),
    ];
  }
  const fixed = rows.filter(({ may_set: maySet }) => !maySet).map(({ sequence }) => sequence);
  if (fixed.length > 0) {
    const grant = `GRANT UPDATE ON SEQUENCE ${fixed.join(', ')} TO ${user}`;
    return [warning(name, `${user} cannot run \`groups import\`: where it shall, ${grant}`)];
  }
  return rows.length > 0 ? [ok(name, `${user} may read them, and move them on at an import`)] : [];
}

async function checkAudit(client: pg.Pool, user: string): Promise<Check[]> {
  const { rows } = await client.query<{ may: boolean; is_owner: boolean; is_guarded: boolean }>(
    `SELECT has_table_privilege(c.oid, 'UPDATE') OR has_table_privilege(c.oid, 'DELETE')
         OR has_table_privilege(c.oid, 'TRUNCATE') AS may,
       pg_has_role(relowner, 'USAGE') AS is_owner,
       EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgname = 'audit_events_append_only'
         AND tgenabled IN ('O', 'A')) AS is_guarded
     FROM pg_class c WHERE c.oid = to_regclass('audit_events')`,
  );
  const [found] = rows;
  if (!found) return [];
  const name = 'audit';
  const { may: mayChange, is_owner: isOwner, is_guarded: isGuarded } = found;
  if (!isGuarded) {
    const repair = 'As the owner: ALTER TABLE audit_events ENABLE TRIGGER audit_events_append_only';
    const problem = `The trigger that keeps the audit from being changed is not there, or disabled. ${repair}`;
    return [mayChange ? wrong(name, problem) : warning(name, problem)];
  }
  if (mayChange && !isOwner) {
    return [
      warning(
        name,
        `${user} needs no such rights: REVOKE UPDATE, DELETE, TRUNCATE ON audit_events FROM ${user}`,
      ),
    ];
  }
  const guard = mayChange
    ? 'by its trigger, since the tables are its own'
    : 'by its rights, and by a trigger';
  return [ok(name, `It is append-only for ${user}: ${guard}`)];
}

async function checkClock(client: pg.Pool): Promise<Check> {
  const sentAt = Date.now();
  const { rows } = await client.query<{ now: string }>(
    'SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now',
  );
  const answeredAt = Date.now();
  const differenceMs = Math.round(Number(rows[0]!.now) - (sentAt + answeredAt) / 2);
  const text = `The database's clock is ${Math.abs(differenceMs)} ms ${differenceMs < 0 ? 'behind' : 'ahead of'} this machine's`;
  // The half of a slow answer's time may be on either way.
  const certainMs = Math.abs(differenceMs) - (answeredAt - sentAt) / 2;
  const advice = 'Let both keep time by NTP, since retention, expiry and tokens go by them';
  if (certainMs > greatestClockDifferenceMs) return wrong('clock', `${text}. ${advice}`);
  return certainMs > usualClockDifferenceMs ? warning('clock', `${text}. ${advice}`) : ok('clock', text);
}
