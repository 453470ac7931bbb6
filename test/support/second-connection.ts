import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { TestDatabase } from './test-database.ts';

/** A connection that holds locks while calls of the API wait for them. */
export type SecondConnection = {
  query(sql: string, values?: unknown[]): Promise<void>;
  /** Waits until as many statements of others wait for a lock. */
  waitForBlocked(count?: number): Promise<void>;
  /** Ends the connection, and with it every lock that it still holds. */
  close(): Promise<void>;
};

/** Opens a connection next to those of the server. */
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
