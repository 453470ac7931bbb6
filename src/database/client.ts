import pg from 'pg';

/**
 * A PostgreSQL client that closes its socket if it cannot connect. The client of pg leaves it open, for example if
 * the server requests a missing password: the process would not exit until the server closes the connection, a minute
 * later.
 */
export class Client extends pg.Client {
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
