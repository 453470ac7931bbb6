import pg from 'pg';

/**
 * A client of PostgreSQL that neither crashes the process if the server ends its session, nor keeps a socket if it cannot
 * connect. The one of pg does both: an error between the checkout from a pool and the first query has no listener, and a
 * connection for which a password is missing stays open until the server closes it, a minute later.
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
          cut(this);
          throw error;
        },
      );
    }
    super.connect((error: Error) => {
      // Null if it is connected, whatever the type of pg says.
      if (error as Error | null) cut(this);
      callback(error);
    });
  }
}

/** Closes a connection without a farewell, which might never be heard. The type of `pg` keeps its socket to itself. */
export function cut(client: pg.ClientBase): void {
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}
