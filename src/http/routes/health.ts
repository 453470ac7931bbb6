import type { FastifyInstance } from 'fastify';
import type { DatabaseState } from '../../database/connection-watchdog.ts';
import { sendStatus } from '../error-response.ts';

/** Why a server is not ready. Monitoring may rely on these words. */
type UnreadyReason = 'database' | 'standby' | 'shutting-down';

/** The state of the server that its health depends on. */
type ServerState = {
  readonly readDatabaseState: () => Promise<DatabaseState>;
  /** Whether a shutdown has begun. */
  readonly isStopping: () => boolean;
};

/**
 * `/livez`: the process is responsive. `/readyz`: the server should get requests: its database is available and no
 * standby, which rejects mutations, and no shutdown has begun. Otherwise it is 503 with the reason. Both are public.
 */
export function registerHealthRoutes(
  http: FastifyInstance,
  { readDatabaseState, isStopping }: ServerState,
): void {
  const config = { isPublic: true, endpoint: 'health' as const };

  http.get('/livez', { config }, () => ({ status: 'live' }));

  http.get('/readyz', { config }, async (_request, reply) => {
    const reason = await findUnreadyReason();
    if (reason === undefined) return { status: 'ready' };
    return sendStatus('SERVICE_UNAVAILABLE', reply).send({ status: 'unavailable', reason });
  });

  async function findUnreadyReason(): Promise<UnreadyReason | undefined> {
    if (isStopping()) return 'shutting-down';
    const state = await readDatabaseState();
    if (state === 'available') return undefined;
    return state === 'standby' ? 'standby' : 'database';
  }
}
