import type pg from 'pg';
import { destroySocket } from '../postgres/client.ts';

/** The open connections of a pool, which the pool itself does not expose. */
export type PoolConnections = {
  /** Destroys the sockets of all connections: pending queries fail immediately. */
  destroy(): void;
  /** Closes idle connections now and the others after their current use, so that later queries open new ones. */
  replace(): void;
};

/** Keeps track of the connections that a pool opens from now on. */
export function trackConnections(pool: pg.Pool): PoolConnections {
  const open = new Set<pg.PoolClient>();
  const outdated = new Set<pg.PoolClient>();
  // The pool removes a released connection that has been ended.
  const endOutdated = (_error: Error | undefined, client: pg.PoolClient) => {
    if (outdated.has(client)) void client.end();
  };
  pool.on('connect', (client) => open.add(client));
  pool.on('remove', (client) => {
    open.delete(client);
    if (outdated.delete(client) && outdated.size === 0) pool.off('release', endOutdated);
  });

  return {
    destroy() {
      for (const client of open) destroySocket(client);
    },
    replace() {
      // Listens only as long as there are outdated connections: each statement releases one.
      if (outdated.size === 0 && open.size > 0) pool.on('release', endOutdated);
      for (const client of open) outdated.add(client);
      // Acquired, so that no query gets a connection that is being closed.
      for (let idle = pool.idleCount; idle > 0; idle--) {
        void pool.connect().then(
          (client) => client.release(),
          () => undefined,
        );
      }
    },
  };
}
