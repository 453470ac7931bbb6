import pg from 'pg';
import { Client, destroySocket, NotConnectedError } from './client.ts';

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
 * Additional session settings of a pool. `search_path` makes unqualified names refer to one schema, regardless of the
 * settings of the role, the database and the environment.
 */
type ExtraSettings = { readonly lock_timeout?: string; readonly search_path?: string };

/**
 * Creates a pool that applies the session settings to a connection before its first use, by a statement: some poolers
 * reject or drop start-up parameters. If it cannot open a connection, queries reject with a NotConnectedError.
 */
export function createPool(config: pg.PoolConfig, extra: ExtraSettings = {}): pg.Pool {
  return new pg.Pool({
    ...config,
    Client,
    onConnect: (client) =>
      setSession(client, extra).catch((error: unknown) => {
        throw new NotConnectedError(error);
      }),
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

async function setSession(client: pg.ClientBase, extra: ExtraSettings = {}): Promise<void> {
  const settings = Object.entries({ ...sessionSettings, ...extra });
  const query: pg.QueryConfig & { query_timeout: number } = {
    text: 'SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS setting (name, value)',
    values: [settings.map(([name]) => name), settings.map(([, value]) => value)],
    // A server that accepts connections but does not respond would block the pool.
    query_timeout: setSessionTimeoutMs,
  };
  await client.query(query);
}
