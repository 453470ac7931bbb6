import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Server as TcpServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fastify, LogController, type FastifyInstance } from 'fastify';
import { AppError, type ErrorCode } from '../errors.ts';
import type { Logger } from '../log.ts';
import { sendError } from './error-response.ts';

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
/** How long the requests in flight have to be answered when the server closes: less than the 10 s that Docker waits. */
const closeTimeoutMs = 8000;

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

/**
 * Has `close()` answer the requests in flight before it cuts connections, for as long as it may take; clients are told not
 * to send another request on theirs. Node's own way cuts answers that are not read yet, and waits for ever for requests
 * that stop half-way.
 */
function answerBeforeClosing(http: FastifyInstance): void {
  let inFlight = 0;
  let isClosing = false;
  let announceIdle = () => {};

  http.addHook('onRequest', async (_request, reply) => {
    inFlight++;
    reply.raw.once('close', () => {
      inFlight--;
      if (inFlight === 0) announceIdle();
    });
  });
  http.addHook('onSend', async (_request, reply) => {
    if (isClosing) reply.header('Connection', 'close');
  });
  http.addHook('preClose', async () => {
    isClosing = true;
    // Takes no further connections, and leaves those that there are alone.
    TcpServer.prototype.close.call(http.server);
    const idle = new Promise<void>((resolve) => (announceIdle = resolve));
    if (inFlight > 0) await Promise.race([idle, sleep(closeTimeoutMs, undefined, { ref: false })]);
    http.server.closeAllConnections();
  });
}

/** Answers what is no HTTP request at all, or did not come in time, where Node would close the connection in silence. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, code, message } = brokenRequests[error.code ?? ''] ?? brokenRequest;
  const body = JSON.stringify({ errors: [{ message, extensions: { code } }] });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nX-Request-Id: ${randomUUID()}\r\nConnection: close\r\n\r\n${body}`,
  );
}

type BrokenRequest = { readonly status: number; readonly code: ErrorCode; readonly message: string };
const brokenRequest: BrokenRequest = {
  status: 400,
  code: 'BAD_REQUEST',
  message: 'This is not an HTTP request',
};
const brokenRequests: Readonly<Record<string, BrokenRequest>> = {
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: 'REQUEST_TIMEOUT',
    message: 'The request did not come in time',
  },
  HPE_HEADER_OVERFLOW: { status: 431, code: 'BAD_REQUEST', message: 'The headers are larger than 16 KiB' },
};

/** Takes the caller's request id where it is a plain one, so that it can be followed through several systems. */
function readRequestId(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();
}
