import pg from 'pg';
import { destroyUnlessBound, type Connection } from './channel-binding.ts';
import type { Hosts } from './hosts.ts';

/** The configuration of a connection. */
export type ConnectionConfig = pg.ClientConfig & {
  /** The servers to choose from, instead of `host` and `port`. */
  readonly hosts?: Hosts;
  /** Rejects a server that does not prove that it is the other end of the TLS connection. */
  readonly requiresChannelBinding?: boolean;
};

/**
 * A connection could not be opened, for any reason: nothing was executed. The message is that of the cause, which has
 * the code of Node or PostgreSQL.
 */
export class NotConnectedError extends Error {
  override name = 'NotConnectedError';

  constructor(cause: unknown) {
    super((cause as Error).message, { cause });
  }
}

/**
 * A client of PostgreSQL that neither crashes the process if the server ends its session, nor keeps a socket if it
 * cannot connect. The one of pg does both: an error between the checkout from a pool and the first query has no
 * listener, and a connection for which a password is missing stays open until the server closes it, a minute later.
 * Connects to the current one of its hosts, and leaves it if that fails.
 */
export class Client extends pg.Client {
  /** Makes the next connection lead to another host, if there is one. */
  readonly leaveHost: () => void;

  constructor(config: ConnectionConfig = {}) {
    const { hosts } = config;
    const host = hosts?.current;
    // A pool hides its password from enumeration.
    const { password } = config;
    super(
      hosts
        ? {
            ...config,
            ...(password !== undefined && { password }),
            ...host,
            connectionTimeoutMillis: Math.min(config.connectionTimeoutMillis ?? Infinity, hosts.timeoutMs),
          }
        : config,
    );
    this.leaveHost = () => host && hosts?.leave(host);
    if (config.requiresChannelBinding) destroyUnlessBound(connectionOf(this));
    // The query that uses the connection rejects with the error.
    this.on('error', () => undefined);
  }

  /** Rejects with the error of Node or PostgreSQL. */
  override connect(): Promise<Client>;
  /** As a pool calls it: passes a NotConnectedError. */
  override connect(callback: (error: Error) => void): void;
  override connect(callback?: (error: Error) => void): Promise<Client> | void {
    if (callback === undefined) {
      return super.connect().then(
        () => this,
        (error: unknown) => {
          this.#abandon();
          throw error;
        },
      );
    }
    super.connect((error: Error) => {
      // Null on success, contrary to pg's type.
      const isFailed = Boolean(error as Error | null);
      if (isFailed) this.#abandon();
      callback(isFailed ? new NotConnectedError(error) : error);
    });
  }

  #abandon(): void {
    destroySocket(this);
    this.leaveHost();
  }
}

/** pg's type does not expose the connection of a client. */
function connectionOf(client: pg.ClientBase): Connection {
  return (client as unknown as { connection: Connection }).connection;
}

/** The socket of a connection, or its TLS stream. */
export function streamOf(client: pg.ClientBase): Connection['stream'] {
  return connectionOf(client).stream;
}

/** Destroys the socket of a connection: a Terminate message could hang on a dead peer. */
export function destroySocket(client: pg.ClientBase): void {
  streamOf(client).destroy();
}

/**
 * Returns the process id that a connected client received at its start. PostgreSQL sends that of the client's session;
 * a pooler sends an arbitrary number, or none, here 0. pg's type does not expose it.
 */
export function processIdOf(client: pg.ClientBase): number {
  return (client as pg.ClientBase & { readonly processID: number | null }).processID ?? 0;
}
