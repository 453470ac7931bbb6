import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { addPageHeaders } from '../http/hooks/security-headers.ts';

/** The document, and the page that renders it with its files. */
const documentPaths = ['/openapi.json', '/docs', '/docs/', '/docs/json', '/docs/yaml', '/docs/static/*'];
/** Headers of a connection, which the outer server sets. */
const connectionHeaders = ['connection', 'date', 'keep-alive', 'transfer-encoding'];

/**
 * Registers `openapi.json` and `docs`, a page that renders it. Both are public. What builds them is loaded at their
 * first request, since it is a third of the files of a start.
 */
export async function registerOpenApi(api: FastifyInstance): Promise<void> {
  let opening: Promise<FastifyInstance> | undefined;

  const sendDocument = async (request: FastifyRequest, reply: FastifyReply) => {
    opening ??= import('./openapi-server.ts').then(({ openDocumentServer }) =>
      openDocumentServer(api.prefix),
    );
    const documents = await opening;
    const { statusCode, headers, rawPayload } = await documents.inject({
      method: request.method as 'GET' | 'HEAD',
      url: request.url,
      headers: request.headers as Record<string, string>,
    });
    if (statusCode === 404) return reply.callNotFound();
    for (const name of connectionHeaders) delete headers[name];
    return reply.status(statusCode).headers(headers).send(rawPayload);
  };

  await api.register(async (open) => {
    addPageHeaders(open);
    for (const path of documentPaths) open.get(path, { config: { isPublic: true } }, sendDocument);
  });
  api.addHook('onClose', async () => {
    await (await opening)?.close();
  });
}
