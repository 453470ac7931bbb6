import pg from 'pg';
import { Client, destroySocket, NotConnectedError, processIdOf, type ConnectionConfig } from './client.ts';
import { connectToHosts, type Hosts } from './hosts.ts';
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
 * statement: some poolers reject or drop start-up parameters. `search_path` makes unqualified names refer to one
 * schema, regardless of the settings of the role, the database and the environment. If the pool cannot open a
 * connection, queries reject with a NotConnectedError.
 */
export function createPool(config: PoolConfig, settings: SessionSettings = {}): pg.Pool {
  const options = {
    ...config,
    Client,
    onConnect: (client: pg.ClientBase) =>
      setSession(client as Client, config.hosts, settings).catch((error: unknown) => {
        throw new NotConnectedError(error);
      }),
  };
  return config.hosts ? new HostPool(options, config.hosts) : new pg.Pool(options);
}

/** The configuration of a pool. */
type PoolConfig = Omit<pg.PoolConfig, 'Client' | 'onConnect'> & ConnectionConfig;

/** A pool whose connections lead to one of several hosts. */
class HostPool extends pg.Pool {
  readonly #hosts: Hosts;

  constructor(options: pg.PoolConfig, hosts: Hosts) {
    super(options);
    this.#hosts = hosts;
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<pg.PoolClient> | void {
    const connecting = connectToHosts(this.#hosts, () => super.connect());
    if (callback === undefined) return connecting;
    connecting.then(
      (client) => callback(undefined, client, (error) => client.release(error)),
      (error: unknown) => callback(error as Error, undefined, () => undefined),
    );
  }
}

type ConnectCallback = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  release: (error?: Error | boolean) => void,
) => void;

/** Opens a single connection with the session settings. If that fails, rejects and leaves nothing open. */
export async function openConnection(config: ConnectionConfig): Promise<Client> {
  const { hosts } = config;
  return hosts ? connectToHosts(hosts, () => openClient(config)) : openClient(config);
}

async function openClient(config: ConnectionConfig): Promise<Client> {
  const client = new Client(config);
  // Without a listener, an error on an idle connection would crash the program.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await setSession(client, config.hosts);
    return client;
  } catch (error) {
    destroySocket(client);
    throw error;
  }
}

type Session = { readonly pid: number; readonly isStandby: boolean; readonly isReadOnly: boolean };

/** @throws Error if the server is not the one of the hosts that is requested */
async function setSession(
  client: Client,
  hosts: Hosts | undefined,
  extra: SessionSettings = {},
): Promise<void> {
  const settings = { ...sessionSettings, ...extra };
  const query: pg.QueryConfig & { query_timeout: number } = {
    // A setting in the session of a pooler would remain there for its other clients: it ends with this statement.
    text: `SELECT pg_backend_pid() AS pid, pg_is_in_recovery() AS "isStandby",
             current_setting('transaction_read_only') = 'on' AS "isReadOnly",
             count(set_config(name, value, pg_backend_pid() <> $3))
           FROM unnest($1::text[], $2::text[]) AS setting (name, value)`,
    values: [Object.keys(settings), Object.values(settings), processIdOf(client)],
    // A server that accepts connections but does not respond would block the pool.
    query_timeout: setSessionTimeoutMs,
  };
  try {
    const { rows } = await client.query<Session>(query);
    const session = rows[0]!;
    hosts?.requireTarget(session);
    if (session.pid !== processIdOf(client)) applyInTransactions(client, settings);
  } catch (error) {
    client.leaveHost();
    throw error;
  }
}
