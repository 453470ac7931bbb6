import type { FastifyRequest } from 'fastify';
import type { Caller } from '../mutations/mutation-call.ts';
import { normalizeIp } from '../validation/ip-address.ts';

/** Returns the sender of a request, for the audit log. The route must not be public. */
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
