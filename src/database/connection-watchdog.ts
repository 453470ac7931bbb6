import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from '../log.ts';
import { destroySocket, type Client, type ConnectionConfig } from '../postgres/client.ts';
import { openConnection } from '../postgres/connection.ts';

const intervalMs = 1000;
const responseTimeoutMs = 2000;

/**
 * Probes the database every second, over a separate connection. If there is no response in time, for example because
 * the machine or the network has failed silently, destroys the sockets of the pool: pending queries then fail
 * immediately instead of minutes later by TCP. Calls `onUnavailable` after every failed probe.
 */
export function watchDatabase(
  pool: pg.Pool,
  connection: ConnectionConfig,
  log: Logger,
  onUnavailable: () => void = () => undefined,
): { close(): Promise<void> } {
  const clients = new Set<pg.PoolClient>();
  pool.on('connect', (client) => clients.add(client));
  pool.on('remove', (client) => clients.delete(client));

  const closing = new AbortController();
  let watcher: Client | undefined;
  let isUnavailable = false;

  const probe = async () => {
    try {
      watcher ??= await openConnection({
        ...connection,
        connectionTimeoutMillis: responseTimeoutMs,
        query_timeout: responseTimeoutMs,
      });
      await watcher.query('SELECT 1');
      if (isUnavailable) log.info('the database is available again');
      isUnavailable = false;
    } catch (error) {
      if (watcher) destroySocket(watcher);
      watcher = undefined;
      if (closing.signal.aborted) return;
      if (!isUnavailable) log.warn({ reason: (error as Error).message }, 'the database is unavailable');
      isUnavailable = true;
      for (const client of clients) destroySocket(client);
      onUnavailable();
    }
  };

  const watching = (async () => {
    while (!closing.signal.aborted) {
      await probe();
      await sleep(intervalMs, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  })();

  return {
    async close() {
      closing.abort();
      await watching;
      await watcher?.end();
    },
  };
}
