import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FastifyInstance } from 'fastify';
import { AppError, httpStatusOf, retryAfterSeconds } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { requestRejected } from '../../measurements/channels.ts';
import { requestIdOf } from './request-head.ts';
import { onResponseClosed } from './graceful-shutdown.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Ends the count of this request among MAX_CONCURRENT_REQUESTS, for a response that stays open. */
    releaseSlot: () => void;
  }
}

/** The limits of the overload protection, and its responses. */
type OverloadSettings = {
  readonly maxConcurrentRequests: number;
  readonly maxEventLoopDelayMs: number;
  /** The origins whose pages may read an error response. */
  readonly corsOrigins: readonly string[];
  /** Writes the error body for URLs with a custom format. */
  readonly writeErrorBody: WriteErrorBody;
};

/** Writes the body of an error that occurs before routing; undefined if the URL uses the format of GraphQL errors. */
export type WriteErrorBody = (url: string, error: AppError) => string | undefined;

/**
 * Load shedding: a fast 503, after which a client can retry or use another server, is better than a long queue of
 * responses whose clients have timed out.
 */
type OverloadGuard = {
  /**
   * Rejects requests under overload before any other work: at ten times the load, a rejection must cost almost nothing.
   */
  rejectWhenOverloaded(listener: RequestListener): RequestListener;
  /**
   * Adds the hook by which a request occupies a slot until its response is closed, and is rejected if there is none. A
   * `buffered` request gets its slot when its body is complete, so that slow clients occupy none. A `streamed` request
   * processes its body while it is received; these have the same number of separate slots, but are rejected like any
   * other request while all `buffered` slots are occupied.
   */
  limitConcurrentRequests(http: FastifyInstance): void;
  readLoad(): Load;
  close(): void;
};

type RequestKind = 'buffered' | 'streamed';

/** The occupied slots, and the mean event-loop delay of the last second. */
export type Load = Readonly<Record<RequestKind, number>> & { readonly eventLoopDelayMs: number };

/**
 * The interval over which the event-loop delay is averaged, and the number of late intervals that count as overload:
 * one large response does not.
 */
const sampleMs = 1000;
const lateSamples = 2;
const resolutionMs = 10;
/** Health checks, which are never rejected. */
const healthPaths = /^\/(livez|readyz)(\?|$)/;

const overloadError = new AppError('SERVICE_UNAVAILABLE', 'The server is overloaded. Try again later');
const overloadBody = JSON.stringify({
  errors: [{ message: overloadError.message, extensions: { code: overloadError.code } }],
});

export function openOverloadGuard(settings: OverloadSettings, log: Logger): OverloadGuard {
  const { maxConcurrentRequests, maxEventLoopDelayMs } = settings;
  const concurrent: Record<RequestKind, number> = { buffered: 0, streamed: 0 };
  let rejected = 0;
  let unread = 0;
  let lateInARow = 0;
  let meanMs = 0;
  const isOverloaded = (kind: RequestKind) => {
    const isLate = lateInARow >= lateSamples;
    if (!isLate && concurrent[kind] < maxConcurrentRequests) return false;
    rejected++;
    if (requestRejected.hasSubscribers)
      requestRejected.publish({ reason: isLate ? 'event-loop-delay' : 'concurrent-requests' });
    return true;
  };

  /** Returns the function that releases the slot. @throws AppError SERVICE_UNAVAILABLE */
  const acquireSlot = (kind: RequestKind) => {
    if (isOverloaded(kind)) throw overloadError;
    concurrent[kind]++;
    let isOccupied = true;
    return () => {
      if (isOccupied) concurrent[kind]--;
      isOccupied = false;
    };
  };

  /** A line for each request would add to the load. Those that were not even read have no other line. */
  const logRejected = () => {
    if (rejected > 0)
      log.warn({ rejected, unread, ...concurrent, eventLoopDelayMs: meanMs }, 'rejected requests');
    rejected = 0;
    unread = 0;
  };
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  const timer = setInterval(() => {
    meanMs = Math.round(delay.mean / 1e6 - resolutionMs);
    lateInARow = meanMs > maxEventLoopDelayMs ? lateInARow + 1 : 0;
    delay.reset();
    logRejected();
  }, sampleMs);
  timer.unref();

  return {
    rejectWhenOverloaded: (listener) => (request, response) => {
      if (healthPaths.test(request.url ?? '') || !isOverloaded('buffered'))
        return listener(request, response);
      unread++;
      return sendOverloadError(request, response, settings);
    },
    limitConcurrentRequests(http) {
      http.decorateRequest('releaseSlot', () => {});
      http.addHook('preValidation', (request, reply, done) => {
        const { isPublic, isStreamed } = request.routeOptions.config;
        if (!isPublic) {
          const release = acquireSlot(isStreamed ? 'streamed' : 'buffered');
          request.releaseSlot = release;
          onResponseClosed(request.raw, reply.raw, release);
        }
        done();
      });
    },
    readLoad: () => ({ ...concurrent, eventLoopDelayMs: meanMs }),
    close() {
      clearInterval(timer);
      logRejected();
      delay.disable();
    },
  };
}

function sendOverloadError(
  request: IncomingMessage,
  response: ServerResponse,
  { corsOrigins, writeErrorBody }: OverloadSettings,
): void {
  const body = writeErrorBody(request.url ?? '', overloadError) ?? overloadBody;
  const { origin } = request.headers;
  const mayRead = origin !== undefined && (corsOrigins.includes(origin) || corsOrigins.includes('*'));
  response
    .writeHead(httpStatusOf(overloadError.code), {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
      'Retry-After': retryAfterSeconds,
      'X-Content-Type-Options': 'nosniff',
      'X-Request-Id': requestIdOf(request),
      ...(mayRead && { 'Access-Control-Allow-Origin': origin, Vary: 'Origin' }),
    })
    .end(body);
}
