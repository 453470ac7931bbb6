import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from '../log.ts';
import { startLoopClock, type LoopClock } from '../process/loop-clock.ts';
import { destroySocket, type Client, type ConnectionConfig } from '../postgres/client.ts';
import { openConnection } from '../postgres/connection.ts';
import type { PoolConnections } from './pool-connections.ts';

const intervalMs = 1000;
const responseTimeoutMs = 2000;

/** `standby`: it responds, but is read-only until it or another server becomes the primary. */
export type DatabaseState = 'available' | 'standby' | 'unavailable';

type Watchdog = {
  /** What the last probe found; `available` before the first one. */
  state(): DatabaseState;
  /**
   * Replaces the connections and probes again over a new one, since a connection of the pool leads to a standby: only
   * some may do. At most once a second.
   */
  reportStandby(): void;
  close(): Promise<void>;
};

/** What is logged when the state changes. */
const warnings = {
  standby: 'the database is a standby, which is read-only: reconnecting until there is a primary',
  unavailable: 'the database is unavailable',
};

/**
 * Probes the database every second, over a separate connection, or over a new one if that has been closed. If there is
 * no response in time, for example because the machine or the network has failed silently, destroys the sockets of the
 * pool: pending queries then fail immediately instead of minutes later by TCP, unless the event loop of this process
 * was blocked meanwhile. If it is a standby, as after a failover, replaces the connections of the pool, each second,
 * until they lead to a primary. Calls `onUnavailable` after every probe without a response.
 */
export function watchDatabase(
  connections: PoolConnections,
  connection: ConnectionConfig,
  log: Logger,
  onUnavailable: () => void = () => undefined,
): Watchdog {
  const closing = new AbortController();
  /** Aborted to end the pause between two probes. */
  let pause = new AbortController();
  let nextReportAt = 0;
  let watcher: Client | undefined;
  let state: DatabaseState = 'available';

  const disconnect = () => {
    if (watcher) destroySocket(watcher);
    watcher = undefined;
  };
  const enter = (next: DatabaseState, reason?: string) => {
    if (next === state) return;
    state = next;
    if (next === 'available') log.info('the database is available again');
    else log.warn({ reason }, warnings[next]);
  };

  const isOnStandby = async (clock: LoopClock): Promise<boolean> => {
    try {
      if (watcher) return await isStandby(watcher);
    } catch (error) {
      disconnect();
      if (clock.elapsedMs() >= responseTimeoutMs) throw error;
      // Closed by the other side, as those of the pool to the same host: they may have been replaced by good ones.
    }
    watcher = await openConnection({
      ...connection,
      connectionTimeoutMillis: responseTimeoutMs,
      query_timeout: responseTimeoutMs,
    });
    return isStandby(watcher);
  };

  const probe = async () => {
    const clock = startLoopClock();
    try {
      const next = (await isOnStandby(clock)) ? 'standby' : 'available';
      // Once more when there is a primary: meanwhile the pool may have connected to the standby again.
      if (next === 'standby' || state === 'standby') connections.replace();
      if (next === 'standby') disconnect();
      enter(next);
    } catch (error) {
      disconnect();
      if (closing.signal.aborted) return;
      // The fault of this process: another probe follows.
      if (clock.elapsedMs() >= responseTimeoutMs && clock.responsiveMs() < responseTimeoutMs / 2) return;
      connections.destroy();
      enter('unavailable', (error as Error).message);
      onUnavailable();
    } finally {
      clock.stop();
    }
  };

  const watching = (async () => {
    while (!closing.signal.aborted) {
      await probe();
      await sleep(intervalMs, undefined, { signal: pause.signal }).catch(() => undefined);
      if (pause.signal.aborted && !closing.signal.aborted) {
        pause = new AbortController();
        disconnect();
      }
    }
  })();

  return {
    state: () => state,
    reportStandby() {
      if (Date.now() < nextReportAt) return;
      nextReportAt = Date.now() + intervalMs;
      connections.replace();
      pause.abort();
    },
    async close() {
      closing.abort();
      pause.abort();
      await watching;
      await watcher?.end();
    },
  };
}

/** Returns whether a session is on a standby, which executes reads only. */
export async function isStandby(client: pg.ClientBase | pg.Pool): Promise<boolean> {
  const { rows } = await client.query<{ is_standby: boolean }>('SELECT pg_is_in_recovery() AS is_standby');
  return rows[0]!.is_standby;
}
