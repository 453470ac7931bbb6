import pg from 'pg';

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

  override connect(): Promise<Client>;
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
      if (error as Error | null) destroySocket(this);
      callback(error);
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

/**
 * Returns the process id that a connected client received at its start. PostgreSQL sends that of the client's session; a
 * pooler sends an arbitrary number, or none, here 0. pg's type does not expose it.
 */
export function processIdOf(client: pg.ClientBase): number {
  return (client as pg.ClientBase & { readonly processID: number | null }).processID ?? 0;
}
