import type { IncomingMessage } from 'node:http';
import type { FastifyContextConfig, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { requestFinished } from '../../measurements/channels.ts';
import type { Endpoint, RequestSummary } from '../../measurements/request-summary.ts';
import { tracer, type Tracer } from '../../measurements/tracer.ts';
import { clientErrorOf, markResponseSent } from '../broken-request.ts';

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

type RequestSummaries = {
  /** Gives a request its summary, and its trace if tracing is on: only for a request that no hook receives. */
  readonly begin: (request: FastifyRequest) => void;
  /**
   * Ends the summary once the response was sent or its connection is closed: writes the one log line of the request,
   * and publishes the summary. Further calls do nothing.
   */
  readonly finish: (request: FastifyRequest, reply: FastifyReply) => void;
};

/** Gives each request its summary, and its trace if tracing is on, and ends them with the response. */
export function summarizeRequests(
  http: FastifyInstance,
  { slowRequestMs }: { readonly slowRequestMs: number },
): RequestSummaries {
  http.decorateRequest('summary', null as unknown as RequestSummary);
  http.addHook('onRequest', (request, _reply, done) => {
    begin(request);
    done();
  });
  http.addHook('onResponse', (request, reply, done) => {
    // Errors in the rest of the body get no second response.
    if (!request.raw.complete) markResponseSent(request.raw.socket);
    finish(request, reply);
    done();
  });

  function finish(request: FastifyRequest, { raw: response, statusCode }: FastifyReply): void {
    const { summary, raw, routeOptions } = request;
    if (summary.isFinished) return;
    summary.isFinished = true;
    summary.endpoint = endpointOf(routeOptions);
    summary.method = request.method;
    summary.route = routeOptions.url;
    summary.status = response.headersSent ? statusCode : undefined;
    summary.isAborted = !response.writableFinished && !summary.isStream;
    summary.account = request.principal?.account;
    summary.durationMs = performance.now() - summary.startedAt;
    if (!raw.complete) noteIncomplete(summary, raw);
    writeLogLine(request, slowRequestMs);
    summary.trace?.end();
    if (requestFinished.hasSubscribers) requestFinished.publish(summary);
  }
  return { begin, finish };
}

/** Shared by all requests without root fields. */
const noFields: readonly string[] = [];

function begin(request: FastifyRequest): void {
  request.summary = createRequestSummary();
  if (tracer) startTrace(tracer, request);
}

/** Creates the summary of a request that has just begun. */
function createRequestSummary(): RequestSummary {
  return {
    startedAt: performance.now(),
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
  if (endpointOf(request.routeOptions) !== 'health') request.summary.trace = tracing.startRequest(request);
}

/** A request whose URL cannot be decoded has no configuration, contrary to Fastify's type. */
function endpointOf({ config }: { readonly config: FastifyContextConfig | undefined }): Endpoint {
  return config?.endpoint ?? 'other';
}

/**
 * Notes that a request has ended before its body had arrived. Fastify's error about such a body is sent to no one: the
 * response is that of `handleClientError`, such as a 408, or the client has gone.
 */
function noteIncomplete(summary: RequestSummary, { socket, readableAborted }: IncomingMessage): void {
  summary.receiveMs = summary.durationMs;
  const error = clientErrorOf(socket);
  if (!error && !readableAborted) return;
  summary.status = error?.status;
  summary.errorCode = error?.code;
  summary.isAborted = !error;
}

/**
 * Writes the log line of a request: a warning if it was slow, with the parts of its time. Those of an aborted request
 * are not known: its transaction, which adds them at its end, may still be running.
 */
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
  else log.warn(summary.isAborted ? line : { ...line, ...partsOf(summary) }, 'request');
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
