import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { TestDatabase } from './test-database.ts';

/** A connection that holds locks while API calls wait for them. */
export type SecondConnection = {
  query(sql: string, values?: unknown[]): Promise<void>;
  /** Waits until `count` statements of other connections wait for a lock. */
  waitForBlocked(count?: number): Promise<void>;
  /** Closes the connection, which releases its locks. */
  close(): Promise<void>;
};

/** Opens a connection in addition to the server's. */
export async function openSecondConnection(database: TestDatabase): Promise<SecondConnection> {
  const client = new pg.Client(database.url);
  await client.connect();
  return {
    query: async (sql, values) => void (await client.query(sql, values)),
    async waitForBlocked(count = 1) {
      for (;;) {
        const blocked = await database.sql(
          `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        if (blocked.length >= count) return;
        await sleep(10);
      }
    },
    close: () => client.end(),
  };
}
