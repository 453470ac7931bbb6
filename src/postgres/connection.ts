import pg from 'pg';
import { Client, destroySocket, processIdOf } from './client.ts';
import { applyInTransactions, type SessionSettings } from './transaction-settings.ts';

/**
 * The session settings that statements rely on, set in every connection to override the defaults of the machine, the
 * database and the role: `@prisma/adapter-pg` writes and reads `timestamptz` without an offset, a day has 24 hours only
 * in a zone without summer time, and statements are written for READ COMMITTED.
 */
const sessionSettings = {
  TimeZone: 'UTC',
  DateStyle: 'ISO, MDY',
  default_transaction_isolation: 'read committed',
  // Exact text of floating-point numbers, such as a discount.
  extra_float_digits: '1',
};

const setSessionTimeoutMs = 3000;

/**
 * Creates a pool that applies the session settings, and `settings`, to a connection before its first use, by a
 * statement: some poolers reject or drop start-up parameters. `search_path` makes unqualified names refer to one schema,
 * regardless of the settings of the role, the database and the environment.
 */
export function createPool(config: pg.PoolConfig, settings: SessionSettings = {}): pg.Pool {
  return new pg.Pool({
    ...config,
    Client,
    onConnect: (client) => setSession(client, settings),
  });
}

/** Opens a single connection with the session settings. If that fails, rejects and leaves nothing open. */
export async function openConnection(config: pg.ClientConfig): Promise<Client> {
  const client = new Client(config);
  // Without a listener, an error on an idle connection would crash the program.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await setSession(client);
    return client;
  } catch (error) {
    destroySocket(client);
    throw error;
  }
}

async function setSession(client: pg.ClientBase, extra: SessionSettings = {}): Promise<void> {
  const settings = { ...sessionSettings, ...extra };
  const query: pg.QueryConfig & { query_timeout: number } = {
    // A setting in the session of a pooler would remain there for its other clients: it ends with this statement.
    text: `SELECT pg_backend_pid() AS pid, count(set_config(name, value, pg_backend_pid() <> $3))
           FROM unnest($1::text[], $2::text[]) AS setting (name, value)`,
    values: [Object.keys(settings), Object.values(settings), processIdOf(client)],
    // A server that accepts connections but does not respond would block the pool.
    query_timeout: setSessionTimeoutMs,
  };
  const { rows } = await client.query<{ pid: number }>(query);
  if (rows[0]!.pid !== processIdOf(client)) applyInTransactions(client, settings);
}
