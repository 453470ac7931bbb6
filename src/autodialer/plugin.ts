import type { FastifyInstance } from 'fastify';
import { AppError } from '../errors.ts';
import { registerOpenApi } from './openapi.ts';
import { registerGroupRoutes, type AutodialerDependencies } from './routes.ts';
import { sendError } from './error-responses.ts';

/**
 * Registers the REST API of the autodialer's vendor under `/api/v4/`, as documented by the vendor, with its OpenAPI
 * document.
 * @see docs/autodialer.md
 */
export async function registerAutodialer(
  http: FastifyInstance,
  dependencies: AutodialerDependencies,
): Promise<void> {
  await http.register(
    async (api) => {
      api.setErrorHandler(sendError);
      await registerOpenApi(api);
      await api.register((groups) => registerGroupRoutes(groups, dependencies), {
        prefix: '/autodialer/groups',
      });
      // A route instead of a not-found handler, so that unknown paths require authentication.
      api.all('/*', async () => {
        throw new AppError('NOT_IMPLEMENTED', 'There is no such service');
      });
    },
    { prefix: '/api/v4' },
  );
}
