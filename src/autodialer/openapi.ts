import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, FastifySchema } from 'fastify';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the OpenAPI document says of the route. The requests are checked by the route itself, against the same schemas. */
    document?: FastifySchema;
  }
}

/**
 * `openapi.json`, made of what each route says of itself in `config.document`, and `docs`, a page that shows it. Both say nothing
 * but what the source does, and are open to everyone.
 */
export async function registerApiDocument(api: FastifyInstance): Promise<void> {
  await api.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'group-api: autodialer number groups',
        description:
          'Lists of phone numbers for an autodialer, as its vendor documents them. Whatever an operation refuses is answered with the status 200 and `"success": 0`.',
        version: '4.0.0',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      components: {
        securitySchemes: {
          apiKey: { type: 'apiKey', in: 'header', name: 'X-APIKEY' },
          bearer: { type: 'http', scheme: 'bearer', description: 'An API key, or a JSON Web Token' },
          basic: { type: 'http', scheme: 'basic' },
        },
      },
      security: [{ apiKey: [] }, { bearer: [] }, { basic: [] }, { apiKey: [], basic: [] }],
    },
    transform: ({ url, route }) => ({
      url,
      schema: route.config?.document ?? { hide: true },
    }),
  });

  await api.register(async (open) => {
    open.addHook('onRoute', (route) => {
      route.config = { ...route.config, isPublic: true };
    });
    open.addHook('onRequest', async (_request, reply) => void reply.header('Cache-Control', 'no-cache'));
    open.get('/openapi.json', () => open.swagger());
    await open.register(swaggerUi, {
      routePrefix: '/docs',
      // The page asks no other host, such as the one that validates documents.
      uiConfig: { validatorUrl: null, layout: 'BaseLayout', deepLinking: true },
      theme: { title: 'group-api: number groups' },
    });
  });
}
