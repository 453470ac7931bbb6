import type { FastifyRequest } from 'fastify';
import type { Caller } from '../mutations/mutation-call.ts';
import { plainAddress } from '../validation/ip-address.ts';

/** Who sent a request, as the audit says it. The route must not be public: whoever reaches it has signed in. */
export function readCaller(request: FastifyRequest): Caller {
  const { account, credential } = request.principal!;
  return {
    account,
    credential,
    address: plainAddress(request.ip),
    userAgent: request.headers['user-agent'] ?? null,
    requestId: request.id,
  };
}
