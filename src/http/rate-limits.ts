import rateLimit, { type CreateRateLimitOptions } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../errors.ts';

/** How much a caller may ask for a minute. `0`: any number of requests. */
export type RateLimitSettings = {
  readonly perAddress: number;
  readonly perAccount: number;
  readonly failedSignIns: number;
};

/** Counts one more of something, and refuses it beyond the limit. @throws AppError RATE_LIMITED */
export type RequireRate = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

export type RateLimits = {
  readonly requireAddressRate: RequireRate;
  readonly requireAccountRate: RequireRate;
  /** Refuses an address from which too many sign-ins failed, without counting. */
  readonly requireFewFailures: RequireRate;
  readonly countFailure: RequireRate;
};

const windowMs = 60_000;
/** How many addresses, or accounts, are counted at the same time; those not seen for longest are forgotten beyond. */
const maxCounted = 10_000;

/** Counts in this process, a minute at a time. An IPv6 address counts as its /64, of which one customer has all. */
export async function openRateLimits(
  http: FastifyInstance,
  { perAddress, perAccount, failedSignIns }: RateLimitSettings,
): Promise<RateLimits> {
  await http.register(rateLimit, { global: false, cache: maxCounted });

  const createCheck = (max: number, what: string, options: CreateRateLimitOptions = {}) => {
    const count = http.createRateLimit({ ...options, max, timeWindow: windowMs });
    return async (request: FastifyRequest, reply: FastifyReply, { increment = true } = {}) => {
      const counted = await count(request, { increment });
      if (counted.isAllowed) return;
      if (increment || counted.isExceeded) showLimit(reply, max, counted.remaining, counted.ttlInSeconds);
      if (!counted.isExceeded) return;
      reply.header('Retry-After', String(counted.ttlInSeconds));
      throw new AppError('RATE_LIMITED', `${what}: ${max} a minute. Try again later`);
    };
  };

  const unlimited = async () => undefined;
  const failures = createCheck(failedSignIns, 'Too many failed sign-ins from your address');
  return {
    requireAddressRate:
      perAddress === 0 ? unlimited : createCheck(perAddress, 'Too many requests from your address'),
    requireAccountRate:
      perAccount === 0
        ? unlimited
        : createCheck(perAccount, 'Too many requests of your account', {
            keyGenerator: ({ principal }) => `account ${principal!.account}`,
          }),
    requireFewFailures: (request, reply) => failures(request, reply, { increment: false }),
    countFailure: failures,
  };
}

/** Of several limits a caller is shown the one that it will meet first. */
function showLimit(reply: FastifyReply, limit: number, remaining: number, seconds: number): void {
  const shown = reply.getHeader('RateLimit-Remaining');
  if (shown !== undefined && Number(shown) <= remaining) return;
  reply.headers({
    'RateLimit-Limit': String(limit),
    'RateLimit-Remaining': String(remaining),
    'RateLimit-Reset': String(seconds),
  });
}
