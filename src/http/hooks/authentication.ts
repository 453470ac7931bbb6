import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Authenticate } from '../../accounts/authentication.ts';
import type { Principal } from '../../accounts/principal.ts';
import { AppError } from '../../errors.ts';
import { normalizeIp } from '../../validation/ip-address.ts';
import { parseCredentials } from '../credentials.ts';
import type { RateLimits } from './rate-limits.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Requires no credentials. */
    isPublic?: boolean;
    /** Processes its body while it is received. */
    isStreamed?: boolean;
  }
  interface FastifyRequest {
    /** The authenticated caller; undefined on public routes. */
    principal: Principal | undefined;
  }
}

/** Authenticates requests and applies the rate limits, before a request's body is read. */
export function requireAuthentication(
  http: FastifyInstance,
  authenticate: Authenticate,
  limits: RateLimits,
): void {
  http.decorateRequest('principal', undefined);

  http.addHook('onRequest', async (request, reply) => {
    if (request.is404 || request.routeOptions.config.isPublic) return;
    await limits.requireAddressRate(request, reply);
    request.principal = await authenticateRequest(request, reply);
    await limits.requireAccountRate(request, reply);
  });

  async function authenticateRequest(request: FastifyRequest, reply: FastifyReply): Promise<Principal> {
    const credentials = parseCredentials(request.raw);
    try {
      return await authenticate(credentials, {
        address: normalizeIp(request.ip),
        requireFailureQuota: () => limits.requireFailureQuota(request, reply),
      });
    } catch (error) {
      const isAttempt = credentials.token !== undefined || credentials.basic !== undefined;
      if (isAttempt && error instanceof AppError && error.code === 'UNAUTHENTICATED') {
        await limits.recordFailure(request, reply);
      }
      throw error;
    }
  }
}
