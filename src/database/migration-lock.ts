import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { destroySocket } from '../postgres/client.ts';
import { openConnection } from '../postgres/connection.ts';
import { changeSettings } from '../postgres/transaction-settings.ts';
import { removeTimeLimits, timeLimits } from './time-limits.ts';

/** The advisory lock of `prisma migrate`, so that it and group-api never migrate concurrently. */
const migrationLock = 72_707_369;
const pollIntervalMs = 100;

/** Receives one line about what a migration is doing. */
export type Report = (line: string) => void;

/**
 * Runs `work` on a connection without time limits, while no other program migrates this database. Waits for another one
 * that does. If the connection with the lock is lost, so is that of `work`.
 */
export async function withMigrationLock<T>(
  pool: pg.Pool,
  report: Report,
  work: (client: pg.ClientBase) => Promise<T>,
): Promise<T> {
  const holder = await pool.connect();
  let client: pg.ClientBase | undefined;
  let isLockLost = false;
  const onLockLost = () => {
    isLockLost = true;
    if (client) destroySocket(client);
  };
  try {
    await acquireLock(holder, report);
    holder.once('end', onLockLost);
    const connection = await openConnection(pool.options);
    client = connection;
    // Lost while the connection was opened.
    if (isLockLost) destroySocket(connection);
    try {
      await liftTimeLimits(connection);
      return await work(connection);
    } finally {
      holder.off('end', onLockLost);
      await connection.end().catch(() => undefined);
    }
  } finally {
    await holder.query('ROLLBACK').catch(() => undefined);
    holder.release();
  }
}

/**
 * Acquires the lock for the duration of a transaction, since a pooler may assign another session to the next one. The
 * transaction has no snapshot between statements, and waits by polling: CREATE INDEX CONCURRENTLY waits for every
 * snapshot, also that of a statement that waits for a lock.
 */
async function acquireLock(holder: pg.PoolClient, report: Report): Promise<void> {
  await holder.query('BEGIN ISOLATION LEVEL READ COMMITTED');
  await holder.query(removeTimeLimits);
  for (let isWaiting = false; ; isWaiting = true) {
    const { rows } = await holder.query<{ acquired: boolean }>(
      `SELECT pg_try_advisory_xact_lock(${migrationLock}) AS acquired`,
    );
    if (rows[0]!.acquired) return;
    if (!isWaiting) report('Waiting for another program that is migrating the database');
    await sleep(pollIntervalMs);
  }
}

async function liftTimeLimits(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT name FROM pg_settings WHERE name = ANY ($1::text[])',
    [timeLimits],
  );
  await changeSettings(client, Object.fromEntries(rows.map(({ name }) => [name, '0'])));
}

/** Returns whether a program is migrating this database, and the phase of the index that it is building, if any. */
export async function readMigrationActivity(
  pool: pg.Pool,
): Promise<{ readonly isMigrating: boolean; readonly phase: string | null }> {
  const { rows } = await pool.query<{ isMigrating: boolean; phase: string | null }>(
    `SELECT EXISTS (
         SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = ${migrationLock} AND granted
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       ) AS "isMigrating",
       (SELECT phase FROM pg_stat_progress_create_index WHERE datname = current_database() LIMIT 1) AS phase`,
  );
  return rows[0]!;
}
