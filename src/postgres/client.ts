import pg from 'pg';

/**
 * A client of PostgreSQL that closes its socket if it cannot connect. The one of pg leaves it open, for example if the server asks
 * for a password that is not there: the process then lives until the server closes it, a minute later.
 */
export class Client extends pg.Client {
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
