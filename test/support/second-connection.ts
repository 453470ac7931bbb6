import { openTestConnection, type TestDatabase } from './test-database.ts';
import { waitUntil } from './wait-until.ts';

/** A connection whose locks API calls wait for. */
export type SecondConnection = {
  query(sql: string, values?: unknown[]): Promise<void>;
  /** Locks a group's row until the connection is closed. */
  lockGroup(id: number): Promise<void>;
  /** Waits until as many statements of others wait for a lock, and have run for a time. */
  waitForBlocked(count?: number, minMs?: number): Promise<void>;
  /** Closes the connection, which releases its locks. */
  close(): Promise<void>;
};

/** Opens a connection in addition to the server's. */
export async function openSecondConnection(database: TestDatabase): Promise<SecondConnection> {
  const client = await openTestConnection(database.url);
  // The server may end it: a test of what happens then.
  client.on('error', () => undefined);
  return {
    query: async (sql, values) => void (await client.query(sql, values)),
    async lockGroup(id) {
      await client.query('BEGIN');
      await client.query('SELECT FROM groups WHERE id = $1 FOR UPDATE', [id]);
    },
    async waitForBlocked(count = 1, minMs = 0) {
      await waitUntil(async () => {
        const blocked = await database.sql(
          `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
             AND clock_timestamp() - query_start >= $1 * interval '1 ms'`,
          [minMs],
        );
        return blocked.length >= count;
      });
    },
    close: () => client.end(),
  };
}
