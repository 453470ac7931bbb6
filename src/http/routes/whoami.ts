import type { FastifyInstance } from 'fastify';

/** `GET /whoami`: the account that the request's credentials belong to, and what it may do. */
export function registerWhoamiRoute(http: FastifyInstance): void {
  http.get('/whoami', (request, reply) => {
    reply.header('Cache-Control', 'no-store');
    const { account, credential, scopes } = request.principal!;
    return { account, credential, scopes: [...scopes] };
  });
}
