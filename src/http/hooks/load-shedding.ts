import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { AppError, httpStatusOf, retryAfterSeconds } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { requestIdOf } from './request-id.ts';
import { onResponseClosed } from '../settled.ts';

/** When there is too much to do, and how that is said. */
export type OverloadSettings = {
  readonly maxConcurrentRequests: number;
  readonly maxEventLoopDelayMs: number;
  /** The origins whose pages may read a refusal. */
  readonly corsOrigins: readonly string[];
  /** Writes the body of a refusal for the URLs that are not GraphQL's. */
  readonly writeErrorBody: WriteErrorBody;
};

/** Writes the body of a refusal that is made before a route is known; undefined where GraphQL's shape is the right one. */
export type WriteErrorBody = (url: string, refusal: AppError) => string | undefined;

/**
 * Refuses requests at once where there are more than can be answered soon: a quick 503 lets a client go elsewhere or come
 * again, while a long queue makes everybody wait for answers that nobody waits for any more.
 */
export type OverloadGuard = {
  /** Stands before everything else: at ten times the load even a refusal must cost next to nothing. */
  guard(listener: RequestListener): RequestListener;
  /**
   * Counts a request until it is answered: a `whole` one when its body is there, so that those that clients are slow to send take
   * nobody's place. One whose body is worked on while it comes in is `streamed`: there are as many places for those alone.
   * @throws AppError SERVICE_UNAVAILABLE
   */
  admit(request: IncomingMessage, response: ServerResponse, kind: RequestKind): void;
  close(): void;
};

export type RequestKind = 'whole' | 'streamed';

/** Over how long the event loop's delay is averaged, and how many times it must be too late: one large answer makes no overload. */
const sampleMs = 1000;
const lateSamples = 2;
const resolutionMs = 10;
/** Tells of health, which is never rejected. */
const alwaysAnswered = /^\/(livez|readyz)(\?|$)/;

const refusal = new AppError('SERVICE_UNAVAILABLE', 'The server is overloaded. Try again later');
const refusalBody = JSON.stringify({
  errors: [{ message: refusal.message, extensions: { code: refusal.code } }],
});

export function openOverloadGuard(settings: OverloadSettings, log: Logger): OverloadGuard {
  const { maxConcurrentRequests, maxEventLoopDelayMs } = settings;
  const concurrent: Record<RequestKind, number> = { whole: 0, streamed: 0 };
  let rejected = 0;
  let lateInARow = 0;
  const isOverloaded = (kind: RequestKind) => {
    const isOver = lateInARow >= lateSamples || concurrent[kind] >= maxConcurrentRequests;
    if (isOver) rejected++;
    return isOver;
  };

  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  const timer = setInterval(() => {
    const meanMs = Math.round(delay.mean / 1e6 - resolutionMs);
    lateInARow = meanMs > maxEventLoopDelayMs ? lateInARow + 1 : 0;
    delay.reset();
    // Once a second: a line for each of them would be a load of its own.
    if (rejected > 0) log.warn({ rejected, ...concurrent, eventLoopDelayMs: meanMs }, 'rejected requests');
    rejected = 0;
  }, sampleMs);
  timer.unref();

  return {
    guard: (listener) => (request, response) => {
      if (!alwaysAnswered.test(request.url ?? '') && isOverloaded('whole'))
        refuse(request, response, settings);
      else listener(request, response);
    },
    admit(request, response, kind) {
      if (isOverloaded(kind)) throw refusal;
      concurrent[kind]++;
      onResponseClosed(request, response, () => concurrent[kind]--);
    },
    close() {
      clearInterval(timer);
      delay.disable();
    },
  };
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  { corsOrigins, writeErrorBody }: OverloadSettings,
): void {
  const body = writeErrorBody(request.url ?? '', refusal) ?? refusalBody;
  const { origin } = request.headers;
  const mayRead = origin !== undefined && (corsOrigins.includes(origin) || corsOrigins.includes('*'));
  response
    .writeHead(httpStatusOf(refusal.code), {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
      'Retry-After': retryAfterSeconds,
      'X-Content-Type-Options': 'nosniff',
      'X-Request-Id': requestIdOf(request),
      ...(mayRead && { 'Access-Control-Allow-Origin': origin, Vary: 'Origin' }),
    })
    .end(body);
}
