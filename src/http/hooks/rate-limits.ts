import rateLimit, { normalizeIP, type CreateRateLimitOptions } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import { normalizeIp } from '../../validation/ip-address.ts';

/** How much a caller may ask for a minute. `0`: any number of requests. */
export type RateLimitSettings = {
  readonly perAddress: number;
  readonly perAccount: number;
  readonly failedSignIns: number;
};

/** Refuses a request beyond a limit. @throws AppError RATE_LIMITED */
export type RateCheck = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

export type RateLimits = {
  /** Counts a request of an address. */
  readonly requireAddressRate: RateCheck;
  /** Counts a request of an account. */
  readonly requireAccountRate: RateCheck;
  /** Counts nothing: refuses addresses from which too many sign-ins have failed. */
  readonly requireFailureQuota: RateCheck;
  /** Counts a failed sign-in of an address. */
  readonly recordFailure: RateCheck;
};

const windowMs = 60_000;
/** How many addresses, or accounts, are counted at the same time; those not seen for longest are forgotten beyond. */
const maxCounted = 10_000;

/** Counts in this process, a minute at a time. An IPv6 address counts as its /64, of which one customer has all. */
export async function openRateLimits(
  http: FastifyInstance,
  { perAddress, perAccount, failedSignIns }: RateLimitSettings,
): Promise<RateLimits> {
  await http.register(rateLimit, {
    global: false,
    cache: maxCounted,
    keyGenerator: ({ ip }) => normalizeIP(normalizeIp(ip)),
  });

  const createCheck = (max: number, what: string, options: CreateRateLimitOptions = {}) => {
    const count = http.createRateLimit({ ...options, max, timeWindow: windowMs });
    return async (request: FastifyRequest, reply: FastifyReply, { increment = true } = {}) => {
      const counted = await count(request, { increment });
      if (counted.isAllowed) return;
      if (increment || counted.isExceeded) showLimit(reply, max, counted.remaining, counted.ttlInSeconds);
      if (!counted.isExceeded) return;
      reply.header('Retry-After', String(counted.ttlInSeconds));
      throw new AppError('RATE_LIMITED', `${what}; ${max} a minute are allowed. Try again later`);
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
        : createCheck(perAccount, 'Too many requests from your account', {
            keyGenerator: ({ principal }) => `account ${principal!.account}`,
          }),
    requireFailureQuota: (request, reply) => failures(request, reply, { increment: false }),
    recordFailure: failures,
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
