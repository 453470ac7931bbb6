import pg from 'pg';

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
 */
export class Client extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
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
          destroySocket(this);
          throw error;
        },
      );
    }
    super.connect((error: Error) => {
      // Null on success, contrary to pg's type.
      const isFailed = Boolean(error as Error | null);
      if (isFailed) destroySocket(this);
      callback(isFailed ? new NotConnectedError(error) : error);
    });
  }
}

/**
 * Destroys the socket of a connection: a Terminate message could hang on a dead peer. pg's type does not expose the
 * socket.
 */
export function destroySocket(client: pg.ClientBase): void {
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}
