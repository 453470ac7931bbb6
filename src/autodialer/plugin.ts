import type { FastifyInstance } from 'fastify';
import { AppError } from '../errors.ts';
import { registerApiDocument } from './openapi.ts';
import { registerGroupRoutes, type AutodialerDoors } from './routes.ts';
import { sendRefusal } from './error-responses.ts';

/**
 * The REST API of the autodialer's vendor below `/api/v4/`, as its documents have it, with an OpenAPI document of it.
 * @see docs/autodialer.md
 */
export async function registerAutodialer(http: FastifyInstance, doors: AutodialerDoors): Promise<void> {
  await http.register(
    async (api) => {
      api.setErrorHandler(sendRefusal);
      await registerApiDocument(api);
      await api.register((groups) => registerGroupRoutes(groups, doors), { prefix: '/autodialer/groups' });
      // A route, since what is not found is answered without asking who calls.
      api.all('/*', async () => {
        throw new AppError('NOT_IMPLEMENTED', 'There is no such service');
      });
    },
    { prefix: '/api/v4' },
  );
}
