import { fileURLToPath } from 'node:url';
import serveFiles from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { addPageHeaders } from '../hooks/security-headers.ts';

/** The output of `scripts/build-explorer.js`. The path is the same relative to `src` and to `dist`. */
const explorerDir = fileURLToPath(new URL('../../../dist/explorer/', import.meta.url));

/**
 * `/`: the explorer, a GraphiQL page that loads nothing from other hosts, with its files under `/explorer/`. They are
 * public, since they contain only files of the package; the page's requests require an account.
 */
export async function registerExplorerRoutes(http: FastifyInstance): Promise<void> {
  await http.register(async (open) => {
    open.addHook('onRoute', (route) => {
      route.config = { ...route.config, isPublic: true, endpoint: 'page' };
    });
    addPageHeaders(open);
    await open.register(serveFiles, {
      root: explorerDir,
      prefix: '/explorer/',
      index: false,
      preCompressed: true,
      cacheControl: false,
    });
    open.get('/', (_request, reply) => reply.sendFile('index.html'));
  });
}
