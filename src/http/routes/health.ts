import type { FastifyInstance } from 'fastify';
import type { DatabaseState } from '../../database/connection-watchdog.ts';
import { sendStatus } from '../error-response.ts';

const reasons = {
  standby: 'The database is a standby, which is read-only',
  unavailable: 'The database is unavailable',
};

/**
 * `/livez`: the process is responsive. `/readyz`: the database is available too, and no standby, which rejects
 * mutations. Both are public.
 */
export function registerHealthRoutes(http: FastifyInstance, readState: () => Promise<DatabaseState>): void {
  const config = { isPublic: true, endpoint: 'health' as const };

  http.get('/livez', { config }, () => ({ status: 'live' }));

  http.get('/readyz', { config }, async (_request, reply) => {
    const state = await readState();
    if (state === 'available') return { status: 'ready' };
    return sendStatus('SERVICE_UNAVAILABLE', reply).send({ status: 'unavailable', reason: reasons[state] });
  });
}
