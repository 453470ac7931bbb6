import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, FastifySchema } from 'fastify';
import { addPageHeaders } from '../http/hooks/security-headers.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route's part of the OpenAPI document. Handlers validate requests against the same schemas. */
    document?: FastifySchema;
  }
}

/**
 * Registers `openapi.json`, built from the `config.document` of every route, and `docs`, a page that renders it. Both
 * are public.
 */
export async function registerOpenApi(api: FastifyInstance): Promise<void> {
  await api.register(swagger, {
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
    transform: ({ url, route }) => ({
      url,
      schema: route.config?.document ?? { hide: true },
    }),
  });

  await api.register(async (open) => {
    open.addHook('onRoute', (route) => {
      route.config = { ...route.config, isPublic: true };
    });
    addPageHeaders(open);
    open.get('/openapi.json', () => open.swagger());
    await open.register(swaggerUi, {
      routePrefix: '/docs',
      // The page must not contact other hosts, such as the default document validator.
      uiConfig: { validatorUrl: null, layout: 'BaseLayout', deepLinking: true },
      theme: { title: 'group-api: number groups' },
    });
  });
}
