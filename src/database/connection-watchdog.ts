import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from '../log.ts';
import { cut, type Client } from '../postgres/client.ts';
import { openConnection } from '../postgres/connection.ts';

const intervalMs = 1000;
const answerTimeoutMs = 2000;

/**
 * Asks the database for a sign of life every second, over a connection of its own. Where none comes in time, because its
 * machine or the network has died without a word, the pool's connections are cut: whoever waits on one hears at once that
 * the database is away, rather than minutes later from TCP.
 * Each time `onAway` is called.
 */
export function watchDatabase(
  pool: pg.Pool,
  connection: pg.ClientConfig,
  log: Logger,
  onAway: () => void = () => undefined,
): { close(): Promise<void> } {
  const clients = new Set<pg.PoolClient>();
  pool.on('connect', (client) => clients.add(client));
  pool.on('remove', (client) => clients.delete(client));

  const closing = new AbortController();
  let watcher: Client | undefined;
  let isAway = false;

  const ask = async () => {
    try {
      watcher ??= await openConnection({
        ...connection,
        connectionTimeoutMillis: answerTimeoutMs,
        query_timeout: answerTimeoutMs,
      });
      await watcher.query('SELECT 1');
      if (isAway) log.info('the database is back');
      isAway = false;
    } catch (error) {
      if (watcher) cut(watcher);
      watcher = undefined;
      if (closing.signal.aborted) return;
      if (!isAway) log.warn({ reason: (error as Error).message }, 'the database does not answer');
      isAway = true;
      for (const client of clients) cut(client);
      onAway();
    }
  };

  const watching = (async () => {
    while (!closing.signal.aborted) {
      await ask();
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
