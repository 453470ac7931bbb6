import underPressure from '@fastify/under-pressure';
import type { FastifyInstance } from 'fastify';
import { AppError } from '../errors.ts';

export type OverloadSettings = {
  readonly maxConcurrentRequests: number;
  readonly maxEventLoopDelayMs: number;
};

/** How often the event loop's delay is looked at. */
const sampleIntervalMs = 250;

/**
 * Refuses requests at once where there are more than can be answered soon: a quick 503 lets a client go elsewhere or come
 * again, while a long queue makes everybody wait for answers that nobody waits for any more. Health is always told.
 */
export async function refuseOverload(
  http: FastifyInstance,
  { maxConcurrentRequests, maxEventLoopDelayMs }: OverloadSettings,
): Promise<void> {
  await http.register(underPressure, {
    maxEventLoopDelay: maxEventLoopDelayMs,
    sampleInterval: sampleIntervalMs,
    pressureHandler: ({ routeOptions }) => {
      if (!routeOptions.config.isPublic) throw overloaded();
    },
  });

  let concurrent = 0;
  http.addHook('onRequest', async ({ routeOptions }, reply) => {
    if (routeOptions.config.isPublic) return;
    if (concurrent >= maxConcurrentRequests) throw overloaded();
    concurrent++;
    reply.raw.once('close', () => concurrent--);
  });
}

function overloaded(): AppError {
  return new AppError(
    'SERVICE_UNAVAILABLE',
    'The server has more to do than it can at the moment. Try again later',
  );
}
