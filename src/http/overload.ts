import { randomUUID } from 'node:crypto';
import type { RequestListener, ServerResponse } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { httpStatusByCode, retryAfterSeconds } from '../errors.ts';
import type { Logger } from '../log.ts';

export type OverloadSettings = {
  readonly maxConcurrentRequests: number;
  readonly maxEventLoopDelayMs: number;
};

/** Over how long the event loop's delay is averaged: one large answer makes no overload. */
const sampleMs = 1000;
const resolutionMs = 10;
/** Tells of health, which is never refused. */
const alwaysAnswered = /^\/(livez|readyz)(\?|$)/;

const refusal = JSON.stringify({
  errors: [
    {
      message: 'The server has more to do than it can at the moment. Try again later',
      extensions: { code: 'SERVICE_UNAVAILABLE' },
    },
  ],
});

/**
 * Refuses requests at once where there are more than can be answered soon: a quick 503 lets a client go elsewhere or come
 * again, while a long queue makes everybody wait for answers that nobody waits for any more. It stands before everything
 * else, since at ten times the load even a refusal must cost next to nothing.
 */
export function openOverloadGuard(
  { maxConcurrentRequests, maxEventLoopDelayMs }: OverloadSettings,
  log: Logger,
): { guard(listener: RequestListener): RequestListener; close(): void } {
  let concurrent = 0;
  let refused = 0;
  let isLate = false;

  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  const timer = setInterval(() => {
    const meanMs = delay.mean / 1e6 - resolutionMs;
    isLate = meanMs > maxEventLoopDelayMs;
    delay.reset();
    // Once a second: a line for each of them would be a load of its own.
    if (refused > 0)
      log.warn({ refused, concurrent, eventLoopDelayMs: Math.round(meanMs) }, 'refused requests');
    refused = 0;
  }, sampleMs);
  timer.unref();

  return {
    guard: (listener) => (request, response) => {
      if (alwaysAnswered.test(request.url ?? '')) {
        listener(request, response);
      } else if (isLate || concurrent >= maxConcurrentRequests) {
        refused++;
        refuse(response);
      } else {
        concurrent++;
        response.once('close', () => concurrent--);
        listener(request, response);
      }
    },
    close() {
      clearInterval(timer);
      delay.disable();
    },
  };
}

function refuse(response: ServerResponse): void {
  response
    .writeHead(httpStatusByCode.SERVICE_UNAVAILABLE, {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(refusal),
      'Retry-After': retryAfterSeconds,
      'X-Request-Id': randomUUID(),
    })
    .end(refusal);
}
