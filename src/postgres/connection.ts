import pg from 'pg';
import { Client, cut } from './client.ts';

/**
 * The session settings that statements rely on. They are set in every connection, so that the defaults of the machine,
 * the database and the role do not matter: `@prisma/adapter-pg` writes and reads `timestamptz` without an offset, a day
 * is 24 hours only in a zone without summer time, and statements are written for READ COMMITTED.
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
 * Session settings that a connection needs in addition to those that every connection has. With `search_path` unqualified
 * names mean the tables of one schema, whatever the role, the database or the environment has.
 */
export type MoreSettings = { readonly lock_timeout?: string; readonly search_path?: string };

/**
 * Creates a pool whose connections all have the session settings before their first use. They are set by a statement and
 * not as start-up parameters, which some poolers reject or drop.
 */
export function createPool(config: pg.PoolConfig, more: MoreSettings = {}): pg.Pool {
  return new pg.Pool({
    ...config,
    Client,
    onConnect: (client) => setSession(client, more),
  });
}

/** Opens a single connection with the session settings. Rejects, with nothing left open, if it cannot be opened. */
export async function openConnection(config: pg.ClientConfig): Promise<Client> {
  const client = new Client(config);
  // Without a listener a connection that breaks while it is idle would crash the program.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await setSession(client);
    return client;
  } catch (error) {
    cut(client);
    throw error;
  }
}

async function setSession(client: pg.ClientBase, more: MoreSettings = {}): Promise<void> {
  const settings = Object.entries({ ...sessionSettings, ...more });
  const query: pg.QueryConfig & { query_timeout: number } = {
    text: 'SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS setting (name, value)',
    values: [settings.map(([name]) => name), settings.map(([, value]) => value)],
    // A server that accepts connections and then hangs would hold up the pool.
    query_timeout: setSessionTimeoutMs,
  };
  await client.query(query);
}
