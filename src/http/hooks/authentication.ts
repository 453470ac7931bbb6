import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Authenticate, Principal } from '../../accounts/authentication.ts';
import { AppError } from '../../errors.ts';
import { normalizeIp } from '../../validation/ip-address.ts';
import { parseCredentials } from '../credentials.ts';
import type { RateLimits } from './rate-limits.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Needs no credentials. */
    isPublic?: boolean;
    /** Works on its body while that comes in. */
    isStreamed?: boolean;
  }
  interface FastifyRequest {
    /** Who calls; of public routes nobody. */
    principal: Principal | undefined;
  }
}

/** Lets nobody but accounts in, before a request's body is read, and no faster than the limits say. */
export function requireAuthentication(
  http: FastifyInstance,
  authenticate: Authenticate,
  limits: RateLimits,
): void {
  http.decorateRequest('principal', undefined);

  http.addHook('onRequest', async (request, reply) => {
    if (request.is404 || request.routeOptions.config.isPublic) return;
    await limits.requireAddressRate(request, reply);
    request.principal = await signIn(request, reply);
    await limits.requireAccountRate(request, reply);
  });

  async function signIn(request: FastifyRequest, reply: FastifyReply): Promise<Principal> {
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
