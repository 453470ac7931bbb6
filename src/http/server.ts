import { METHODS } from 'node:http';
import type { Server as TlsServer } from 'node:tls';
import { fastify, LogController, type FastifyInstance } from 'fastify';
import type { Authenticator } from '../accounts/authentication.ts';
import type { Config } from '../config/settings.ts';
import type { AppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { handleClientError } from './broken-request.ts';
import { allowOrigins, commonHeaders, commonTlsHeaders } from './hooks/security-headers.ts';
import { sendError, sendStatus, toAppError } from './error-response.ts';
import { acceptOnlyJson } from './hooks/json-body.ts';
import { drainOnClose, onResponseClosed } from './hooks/graceful-shutdown.ts';
import { summarizeRequests } from './hooks/request-summary.ts';
import { createNodeServer } from './node-server.ts';
import { trackPathMethods } from './path-methods.ts';
import { openOverloadGuard, type Load, type WriteErrorBody } from './hooks/load-shedding.ts';
import { openRateLimits, type RequestCounters } from './hooks/rate-limits.ts';
import { checkRequestHeads, requestIdOf } from './hooks/request-head.ts';
import { lazySchemaCompilers } from './schema-compilers.ts';
import { requireAuthentication } from './hooks/authentication.ts';
import { watchCertificate, readCertificate, type Certificate, type CertificateFiles } from './tls.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Writers of the bodies of errors that occur before a request reaches a route, by the prefix of the URLs with a
     * custom format. A plugin adds its own.
     */
    readonly earlyErrorBodies: Map<string, (error: AppError) => string>;
    /** Returns the current load, as the overload protection measures it. */
    readonly readLoad: () => Load;
    /** Returns the certificate chain in use, as PEM; undefined without TLS. */
    readonly readCertificate: () => Buffer | undefined;
  }
}

const maxBodyBytes = 1024 * 1024;

/**
 * Creates the HTTP server without routes: request ids, one log line per request, and the checks before a body is read,
 * in this order: overload, request head, security headers and CORS, rate limits and authentication; then the body.
 * Rate limits are counted by `counters`; if unset, for this process alone.
 * @throws OperatorError if the certificate cannot be used
 */
export async function createHttpServer(
  config: Config,
  authenticator: Authenticator,
  log: Logger,
  counters?: RequestCounters,
): Promise<FastifyInstance> {
  const earlyErrorBodies: FastifyInstance['earlyErrorBodies'] = new Map();
  const writeErrorBody: WriteErrorBody = (url, error) =>
    [...earlyErrorBodies].find(([prefix]) => url.startsWith(prefix))?.[1](error);
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = config;
  const certificateFiles = certFile && keyFile ? { certFile, keyFile } : undefined;
  let certificate = certificateFiles && readCertificate(certificateFiles);
  const settings = {
    requestTimeoutMs: config.REQUEST_TIMEOUT_SECONDS * 1000,
    maxConnections: config.MAX_CONNECTIONS,
    certificate,
  };
  const overload = openOverloadGuard(
    {
      maxConcurrentRequests: config.MAX_CONCURRENT_REQUESTS,
      maxEventLoopDelayMs: config.MAX_EVENT_LOOP_DELAY_MS,
      corsOrigins: config.CORS_ORIGINS,
      writeErrorBody,
    },
    log,
  );
  const http = fastify({
    serverFactory: (listener) => createNodeServer(settings, overload.rejectWhenOverloaded(listener)),
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: requestIdOf,
    trustProxy: config.TRUST_PROXY ?? false,
    bodyLimit: maxBodyBytes,
    schemaController: { compilersFactory: lazySchemaCompilers },
    // Strict validation: no coercion, no defaults, no silent removal.
    ajv: {
      customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, verbose: true },
    },
    frameworkErrors: (error, request, reply) => {
      reply.header('X-Request-Id', request.id);
      summaries.begin(request);
      onResponseClosed(request.raw, reply.raw, () => summaries.finish(request, reply));
      const appError = toAppError(error, request);
      const body = writeErrorBody(request.url, appError);
      if (body === undefined) sendError(error, request, reply);
      else void sendStatus(appError.code, reply).type('application/json; charset=utf-8').send(body);
    },
    clientErrorHandler: handleClientError,
  }) as unknown as FastifyInstance; // Routes do not depend on the logger type.
  http.decorate('earlyErrorBodies', earlyErrorBodies);
  http.decorate('readLoad', () => overload.readLoad());
  http.decorate('readCertificate', () => certificate?.cert);
  http.addHook('onClose', async () => overload.close());
  // Register every method, so that known paths return 405 instead of 404.
  for (const method of METHODS) {
    if (method !== 'CONNECT' && !http.supportedMethods.includes(method)) http.addHttpMethod(method);
  }
  if (certificateFiles) reloadCertificate(http, certificateFiles, log, (changed) => (certificate = changed));

  // Before any route, including those of plugins: a route uses the handler that is set when it is registered.
  http.setErrorHandler(sendError);
  const paths = trackPathMethods(http);
  http.setNotFoundHandler((request, reply) =>
    sendError(paths.missingRouteError(request, reply), request, reply),
  );

  const summaries = summarizeRequests(http, { slowRequestMs: config.SLOW_REQUEST_MS });
  // Before all hooks that reject requests: the close of the server waits for those too.
  drainOnClose(http, summaries.finish);
  const headers = certificateFiles ? commonTlsHeaders : commonHeaders;
  checkRequestHeads(http, { headers, trustsProxies: config.TRUST_PROXY !== undefined }, paths, log);
  await allowOrigins(http, config.CORS_ORIGINS);
  const limits = await openRateLimits(
    http,
    {
      perAddress: config.RATE_LIMIT_PER_ADDRESS,
      perAccount: config.RATE_LIMIT_PER_ACCOUNT,
      failedSignIns: config.FAILED_SIGN_INS_PER_MINUTE,
    },
    counters,
  );
  requireAuthentication(http, authenticator, limits);
  acceptOnlyJson(http);
  overload.limitConcurrentRequests(http);

  return http;
}

function reloadCertificate(
  http: FastifyInstance,
  files: CertificateFiles,
  log: Logger,
  onReload: (certificate: Certificate) => void,
): void {
  const stopWatching = watchCertificate(http.server as unknown as TlsServer, files, log, onReload);
  http.addHook('onClose', async () => stopWatching());
}
