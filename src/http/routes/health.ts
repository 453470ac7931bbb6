import type { FastifyInstance } from 'fastify';
import { sendStatus } from '../error-response.ts';

/** `/livez`: the process answers. `/readyz`: the database answers too. Both are open to everyone. */
export function registerHealthRoutes(http: FastifyInstance, isReady: () => Promise<boolean>): void {
  const config = { isPublic: true };

  http.get('/livez', { config }, () => ({ status: 'live' }));

  http.get('/readyz', { config }, async (_request, reply) =>
    (await isReady())
      ? { status: 'ready' }
      : sendStatus('SERVICE_UNAVAILABLE', reply).send({
          status: 'unavailable',
          reason: 'The database is unavailable',
        }),
  );
}
