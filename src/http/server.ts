import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { fastify, LogController, type FastifyInstance } from 'fastify';
import { AppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { answerBrokenRequest } from './broken-request.ts';
import { sendError } from './error-response.ts';
import { answerBeforeClosing } from './orderly-close.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Needs no credentials. */
    isPublic?: boolean;
  }
}

const maxBodyBytes = 1024 * 1024;
/** Longer than the 60 s for which proxies commonly keep a connection, so that they never use one that just closed. */
const keepAliveTimeoutMs = 65_000;
/** How often slow clients are looked for. */
const slowClientCheckMs = 500;

/**
 * Creates the HTTP server, without routes: limits, request ids, one log line a request, and who may come in.
 * `authenticate` throws for whoever may not; it runs before the body is read.
 */
export function createHttpServer(options: {
  log: Logger;
  requestTimeoutMs: number;
  authenticate: (headers: IncomingHttpHeaders) => void;
}): FastifyInstance {
  const { log, requestTimeoutMs, authenticate } = options;
  const http = fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: readRequestId,
    bodyLimit: maxBodyBytes,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    http: { headersTimeout: Math.ceil(requestTimeoutMs / 3), connectionsCheckingInterval: slowClientCheckMs },
    frameworkErrors: (error, request, reply) => {
      reply.header('X-Request-Id', request.id);
      sendError(error, request, reply);
    },
    clientErrorHandler: answerBrokenRequest,
  }) as unknown as FastifyInstance; // The logger's type is of no concern to the routes.

  // JSON is all that is taken; what a form can send is not, which keeps other sites' pages out.
  http.removeContentTypeParser('text/plain');

  http.addHook('onRequest', async (request, reply) => {
    reply.header('X-Request-Id', request.id);
    if (request.is404 || request.routeOptions.config.isPublic) return;
    authenticate(request.headers);
  });

  http.addHook('onResponse', async (request, reply) => {
    const { method, routeOptions, ip } = request;
    const milliseconds = Math.round(reply.elapsedTime * 10) / 10;
    request.log.info(
      { method, path: routeOptions.url, status: reply.statusCode, milliseconds, ip },
      'request',
    );
  });

  answerBeforeClosing(http);

  http.setErrorHandler(sendError);
  http.setNotFoundHandler((request, reply) =>
    sendError(
      new AppError('NOT_FOUND', `There is nothing at ${request.method} ${request.url.split('?')[0]}`),
      request,
      reply,
    ),
  );
  return http;
}

/** Takes the caller's request id where it is a plain one, so that it can be followed through several systems. */
function readRequestId(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();
}
