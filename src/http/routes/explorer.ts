import { fileURLToPath } from 'node:url';
import serveFiles from '@fastify/static';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { normalizeIp } from '../../validation/ip-address.ts';
import { writeSandboxPage } from './sandbox-page.ts';

/** What `npm run build` makes of the folder explorer/. Found beside `src` and beside `dist` alike. */
const explorerDir = fileURLToPath(new URL('../../../dist/explorer/', import.meta.url));

/**
 * `/`: the explorer, a page with GraphiQL that asks no other host, and its files below `/explorer/`. Open to everyone, since
 * they hold nothing but what the package does; what the page then asks needs an account. `/sandbox`: the way to Apollo Sandbox.
 */
export async function registerExplorerRoutes(http: FastifyInstance): Promise<void> {
  await http.register(async (open) => {
    open.addHook('onRoute', (route) => {
      route.config = { ...route.config, isPublic: true };
    });
    // The names of the files stay as the package changes: browsers ask whether theirs is the present one.
    open.addHook('onRequest', async (_request, reply) => void reply.header('Cache-Control', 'no-cache'));
    await open.register(serveFiles, {
      root: explorerDir,
      prefix: '/explorer/',
      index: false,
      preCompressed: true,
      cacheControl: false,
    });
    open.get('/', (_request, reply) => reply.sendFile('index.html'));
    open.get('/sandbox', (request, reply) =>
      reply
        .type('text/html; charset=utf-8')
        .send(writeSandboxPage(`${request.protocol}://${request.host || localHost(request)}/graphql`)),
    );
  });
}

/** The address that a request came to, for one of HTTP/1.0, which names no host. */
function localHost({ socket: { localAddress = '', localPort } }: FastifyRequest): string {
  const address = normalizeIp(localAddress);
  return `${address.includes(':') ? `[${address}]` : address}:${localPort}`;
}
