import rateLimit, {
  normalizeIP,
  type CreateRateLimitOptions,
  type FastifyRateLimitStoreCtor,
} from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import { normalizeIp } from './request-head.ts';

/** The limits per minute. `0`: unlimited requests. */
type RateLimitSettings = {
  readonly perAddress: number;
  readonly perAccount: number;
  readonly failedSignIns: number;
};

/** Rejects a request above a limit. @throws AppError RATE_LIMITED */
type RateCheck = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

export type RateLimits = {
  /** Counts a request against the limit of its address; undefined if requests are unlimited. */
  readonly requireAddressRate: RateCheck | undefined;
  /** Counts a request against the limit of its account; undefined if requests are unlimited. */
  readonly requireAccountRate: RateCheck | undefined;
  /** Counts nothing: rejects addresses with too many failed sign-ins. */
  readonly requireFailureQuota: RateCheck;
  /** Counts a failed sign-in against the limit of its address. */
  readonly recordFailure: RateCheck;
};

/** The events of a key in its current window, and the milliseconds until that ends. */
export type Counted = { readonly current: number; readonly ttl: number };

/** Counters that several processes share. */
export type RequestCounters = {
  /** Adds one to the events of a key if `increment`, and returns the state of its window. */
  count(event: { key: string; windowMs: number; increment: boolean }): Promise<Counted>;
};

const windowMs = 60_000;
/** Maximum number of tracked addresses, and of tracked accounts (LRU). */
export const maxTracked = 10_000;

/**
 * Creates rate limits with windows of one minute, counted by `counters`; if unset, for this process alone. IPv6 is
 * counted per /64, the network of one customer.
 */
export async function openRateLimits(
  http: FastifyInstance,
  { perAddress, perAccount, failedSignIns }: RateLimitSettings,
  counters?: RequestCounters,
): Promise<RateLimits> {
  await http.register(rateLimit, {
    global: false,
    cache: maxTracked,
    ...(counters && { store: createStore(counters) }),
  });
  // Keys begin with the name of their limit, since shared counters are those of all limits.
  const byAddress = (limit: string): CreateRateLimitOptions => ({
    keyGenerator: ({ ip }) => `${limit} ${normalizeIP(normalizeIp(ip))}`,
  });

  const createCheck = (max: number, what: string, options: CreateRateLimitOptions) => {
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

  const failures = createCheck(
    failedSignIns,
    'Too many failed sign-ins from your address',
    byAddress('failed-sign-ins'),
  );
  return {
    requireAddressRate:
      perAddress === 0
        ? undefined
        : createCheck(perAddress, 'Too many requests from your address', byAddress('address')),
    requireAccountRate:
      perAccount === 0
        ? undefined
        : createCheck(perAccount, 'Too many requests from your account', {
            keyGenerator: ({ principal }) => `account ${principal!.account}`,
          }),
    requireFailureQuota: (request, reply) => failures(request, reply, { increment: false }),
    recordFailure: failures,
  };
}

/** Adapts shared counters to the interface of the plugin, which creates one store for each limit. */
function createStore(counters: RequestCounters): FastifyRateLimitStoreCtor {
  type Callback = (error: Error | null, counted?: Counted) => void;
  const store = {
    incr: (key: string, callback: Callback, window: number) => send(key, callback, window, true),
    read: (key: string, callback: Callback, window: number) => send(key, callback, window, false),
    child: () => store,
  };
  const send = (key: string, callback: Callback, window: number, increment: boolean) =>
    void counters.count({ key, windowMs: window, increment }).then(
      (counted) => callback(null, counted),
      (error: Error) => callback(error),
    );
  return function Store() {
    return store;
  } as unknown as FastifyRateLimitStoreCtor;
}

/** Sets the RateLimit-* headers to the limit that the caller will reach first. */
function showLimit(reply: FastifyReply, limit: number, remaining: number, seconds: number): void {
  const previous = reply.getHeader('RateLimit-Remaining');
  if (previous !== undefined && Number(previous) <= remaining) return;
  reply.headers({
    'RateLimit-Limit': String(limit),
    'RateLimit-Remaining': String(remaining),
    'RateLimit-Reset': String(seconds),
  });
}
