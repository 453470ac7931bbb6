import type { FastifyRequest } from 'fastify';
import type { Caller } from '../mutations/mutation-call.ts';
import { normalizeIp } from '../validation/ip-address.ts';

/** Who sent a request, as the audit says it. The route must not be public: whoever reaches it has signed in. */
export function callerOf(request: FastifyRequest): Caller {
  const { account, credential } = request.principal!;
  return {
    account,
    credential,
    address: normalizeIp(request.ip),
    userAgent: request.headers['user-agent'] ?? null,
    requestId: request.id,
  };
}
