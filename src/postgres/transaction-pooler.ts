import type pg from 'pg';
import { Client } from './client.ts';

/** Several, since other clients of the pooler may come in between. */
const rounds = 3;
/** A pooler in session mode lets a second client wait for as long as the first one stays. */
const secondClientTimeoutMs = 2000;

/**
 * Returns whether `client` reached a pooler that gives each transaction or statement another session, such as PgBouncer with
 * `pool_mode = transaction`. `sessionPid` is what `pg_backend_pid()` returned to the client. Costs nothing on a direct
 * connection, and a few milliseconds on a pooler in session mode.
 */
export async function isTransactionPooler(
  client: pg.PoolClient,
  sessionPid: number,
  connection: pg.ClientConfig,
): Promise<boolean> {
  // PostgreSQL tells a client the process of its session when it connects; a pooler makes up a number of its own.
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
      // Each twice in a row: a pooler that gives its sessions by turns would give two clients that take turns one each.
      secondPids.add(await readSessionPid(second));
      secondPids.add(await readSessionPid(second));
      firstPids.add(await readSessionPid(client));
      firstPids.add(await readSessionPid(client));
      // With sessions of their own, each client has one, and the two are different.
      if (firstPids.size > 1 || secondPids.size > 1 || firstPids.has([...secondPids][0]!)) return true;
    }
    return false;
  } catch {
    // No second session to be had, for lack of connections or because the first one occupies the only one: both speak for
    // session mode or say nothing.
    return false;
  } finally {
    // A client whose query still waits for a session must not be waited for.
    void second.end().catch(() => undefined);
  }
}

async function readSessionPid(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]!.pid;
}
