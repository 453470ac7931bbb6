import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { fastify, type FastifyInstance } from 'fastify';
import { operationDocuments } from './openapi-operations.ts';

/**
 * Opens a server that does not listen: its routes under `prefix` are the documents of the services, and it serves
 * `openapi.json`, built from them, and `docs`, a page that renders it.
 */
export async function openDocumentServer(prefix: string): Promise<FastifyInstance> {
  const server = fastify();
  // The schemas are documentation here: audited-handler.ts validates requests.
  server.setValidatorCompiler(() => () => true);
  server.setSerializerCompiler(() => JSON.stringify);
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'group-api: autodialer number groups',
        description:
          'Lists of phone numbers for an autodialer, as its vendor documents them. Errors of an operation are returned with status 200 and `"success": 0`.',
        version: '4.0.0',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      components: {
        securitySchemes: {
          apiKey: { type: 'apiKey', in: 'header', name: 'X-APIKEY' },
          bearer: { type: 'http', scheme: 'bearer', description: 'An API key or a JSON Web Token' },
          basic: { type: 'http', scheme: 'basic' },
        },
      },
      security: [{ apiKey: [] }, { bearer: [] }, { basic: [] }, { apiKey: [], basic: [] }],
    },
  });
  await server.register(
    async (api) => {
      for (const [service, schema] of Object.entries(operationDocuments))
        api.post(`/autodialer/groups/${service}`, { schema }, () => undefined);
      api.get('/openapi.json', { schema: { hide: true } }, () => api.swagger());
      await api.register(swaggerUi, {
        routePrefix: '/docs',
        // The page must not contact other hosts, such as the default document validator.
        uiConfig: { validatorUrl: null, layout: 'BaseLayout', deepLinking: true },
        theme: { title: 'group-api: number groups' },
      });
    },
    { prefix },
  );
  await server.ready();
  return server;
}
