import type { FastifyInstance } from 'fastify';

/** `GET /whoami`: the authenticated account and its scopes. */
export function registerWhoamiRoute(http: FastifyInstance): void {
  http.get('/whoami', (request) => {
    const { account, credential, scopes } = request.principal!;
    return { account, credential, scopes: [...scopes] };
  });
}
