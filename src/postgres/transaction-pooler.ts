import type pg from 'pg';
import { Client } from './client.ts';

/** Several rounds, since other clients of the pooler may interfere. */
const rounds = 3;
/** A pooler in session mode may let a second client wait until the first one disconnects. */
const secondClientTimeoutMs = 2000;

/**
 * Returns whether `client` is connected to a pooler that assigns sessions per transaction or statement, such as
 * PgBouncer with `pool_mode = transaction`. `sessionPid` is what `pg_backend_pid()` returned to the client. Costs
 * nothing on a direct connection, and a few milliseconds on a pooler in session mode.
 */
export async function isTransactionPooler(
  client: pg.PoolClient,
  sessionPid: number,
  connection: pg.ClientConfig,
): Promise<boolean> {
  // PostgreSQL sends the client the process id of its session; a pooler sends an arbitrary number.
  const { processID } = client as pg.PoolClient & { readonly processID: number | null };
  if (processID === sessionPid) return false;

  const second = new Client({
    ...connection,
    connectionTimeoutMillis: secondClientTimeoutMs,
    query_timeout: secondClientTimeoutMs,
  });
  second.on('error', () => undefined);
  try {
    await second.connect();
    const firstPids = new Set([sessionPid]);
    const secondPids = new Set<number>();
    for (let round = 0; round < rounds; round++) {
      // Query twice in a row: with round-robin assignment, alternating clients would always get the same session each.
      secondPids.add(await readSessionPid(second));
      secondPids.add(await readSessionPid(second));
      firstPids.add(await readSessionPid(client));
      firstPids.add(await readSessionPid(client));
      // In session mode each client has exactly one session, and the two differ.
      if (firstPids.size > 1 || secondPids.size > 1 || firstPids.has([...secondPids][0]!)) return true;
    }
    return false;
  } catch {
    // No second session is available, for lack of connections or because the first client occupies the only one: this
    // indicates session mode, or is inconclusive.
    return false;
  } finally {
    // Do not wait for a client whose query may still wait for a session.
    void second.end().catch(() => undefined);
  }
}

async function readSessionPid(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]!.pid;
}
