import type { FastifyInstance } from 'fastify';
import type { Config } from '../config/settings.ts';
import { AppError } from '../errors.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import type { MutationRunner } from '../mutations/mutation-runner.ts';
import { createNumberGroupRepository } from './number-groups/number-group-repository.ts';
import { createNumberListRepository } from './number-groups/number-list-repository.ts';
import { registerOpenApi } from './openapi.ts';
import { registerGroupRoutes } from './routes.ts';
import { sendError, writeFailure } from './error-responses.ts';

type AutodialerOptions = {
  readonly config: Config;
  readonly prisma: PrismaClient;
  readonly mutations: MutationRunner;
};

const prefix = '/api/v4';

/**
 * Fastify plugin: the REST API of the autodialer's vendor under `/api/v4/`, as documented by the vendor, with its
 * OpenAPI document and its form of errors, also of those before a request reaches a route.
 * @see docs/autodialer.md
 */
export default async function openAutodialer(
  http: FastifyInstance,
  { config, prisma, mutations }: AutodialerOptions,
): Promise<void> {
  const dependencies = {
    mutations,
    numberGroups: createNumberGroupRepository(prisma, mutations, config.DELETED_GROUP_RETENTION_DAYS),
    numberLists: createNumberListRepository(prisma, mutations),
    timeZone: config.AUTODIALER_TIME_ZONE,
    corsOrigins: config.CORS_ORIGINS,
  };
  http.earlyErrorBodies.set(`${prefix}/`, ({ message }) => writeFailure(message));
  await http.register(
    async (api) => {
      api.setErrorHandler(sendError);
      api.addHook('onRoute', (route) => {
        route.config = { ...route.config, endpoint: 'autodialer' };
      });
      await registerOpenApi(api);
      await api.register((groups) => registerGroupRoutes(groups, dependencies), {
        prefix: '/autodialer/groups',
      });
      // A route instead of a not-found handler, so that unknown paths require authentication.
      api.all('/*', async () => {
        throw new AppError('NOT_IMPLEMENTED', 'There is no such service');
      });
    },
    { prefix },
  );
}
