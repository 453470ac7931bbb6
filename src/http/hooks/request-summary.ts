import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { requestFinished } from '../../measurements/channels.ts';
import type { Endpoint, RequestSummary } from '../../measurements/request-summary.ts';
import { tracer, type Tracer } from '../../measurements/tracer.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The kind of the endpoint. If unset, `other`. */
    endpoint?: Endpoint;
  }
  interface FastifyRequest {
    /** What the request did so far. */
    summary: RequestSummary;
  }
}

/**
 * Gives each request its summary, and its trace if tracing is on. Returns the function that ends it, to be called once
 * the response was sent or its connection is closed: it writes the one log line of the request, and publishes the
 * summary. Further calls do nothing.
 */
export function summarizeRequests(
  http: FastifyInstance,
  { slowRequestMs }: { readonly slowRequestMs: number },
): (request: FastifyRequest, reply: FastifyReply) => void {
  http.decorateRequest('summary', null as unknown as RequestSummary);
  http.addHook('onRequest', (request, _reply, done) => {
    request.summary = createRequestSummary();
    if (tracer) startTrace(tracer, request);
    done();
  });
  http.addHook('onResponse', (request, reply, done) => {
    finish(request, reply);
    done();
  });

  function finish(request: FastifyRequest, reply: FastifyReply): void {
    const { summary, routeOptions } = request;
    if (summary.isFinished) return;
    summary.isFinished = true;
    summary.endpoint = routeOptions.config.endpoint ?? 'other';
    summary.method = request.method;
    summary.route = routeOptions.url;
    summary.status = reply.raw.headersSent ? reply.statusCode : undefined;
    summary.isAborted = !reply.raw.writableFinished && !summary.isStream;
    summary.account = request.principal?.account;
    summary.durationMs = reply.elapsedTime;
    writeLogLine(request, slowRequestMs);
    summary.trace?.end();
    if (requestFinished.hasSubscribers) requestFinished.publish(summary);
  }
  return finish;
}

/** Shared by all requests without root fields. */
const noFields: readonly string[] = [];

/** Creates the summary of a request that has just begun. */
export function createRequestSummary(): RequestSummary {
  return {
    rootFields: noFields,
    errorCode: undefined,
    isReplayed: false,
    isStream: false,
    receiveMs: 0,
    batchSize: 0,
    waitMs: 0,
    statementMs: 0,
    trace: undefined,
    isFinished: false,
    endpoint: 'other',
    method: '',
    route: undefined,
    status: undefined,
    isAborted: false,
    account: undefined,
    durationMs: 0,
  };
}

/** Begins a trace, except for the checks of load balancers, which would be most of all traces of an idle server. */
function startTrace(tracing: Tracer, request: FastifyRequest): void {
  if (request.routeOptions.config.endpoint !== 'health')
    request.summary.trace = tracing.startRequest(request);
}

/** Writes the log line of a request: a warning with the parts of its time if it was slow. */
function writeLogLine({ summary, log, ip }: FastifyRequest, slowRequestMs: number): void {
  const { rootFields, batchSize, durationMs, receiveMs, isStream } = summary;
  const line = {
    method: summary.method,
    path: summary.route,
    endpoint: summary.endpoint,
    // Values that are undefined are not written.
    rootFields: rootFields.length > 0 ? rootFields : undefined,
    status: summary.status,
    code: summary.errorCode,
    account: summary.account,
    milliseconds: round(durationMs),
    batchSize: batchSize || undefined,
    replayed: summary.isReplayed || undefined,
    aborted: summary.isAborted || undefined,
    ip,
    traceId: summary.trace?.traceId,
  };
  // A client that sends its body slowly, and a response that stays open, are not slow requests.
  if (isStream || durationMs - receiveMs < slowRequestMs) log.info(line, 'request');
  else log.warn({ ...line, ...partsOf(summary) }, 'request');
}

/** The parts of the time of a request, in milliseconds, which are all of it. */
function partsOf({ durationMs, receiveMs, waitMs, statementMs }: RequestSummary): object {
  return {
    receiving: round(receiveMs),
    waiting: round(waitMs),
    statement: round(statementMs),
    // Root fields of a query are resolved concurrently.
    rest: round(Math.max(0, durationMs - receiveMs - waitMs - statementMs)),
  };
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
