import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { rejectConnect } from './broken-request.ts';
import type { Certificate } from './tls.ts';

type NodeServerSettings = {
  readonly requestTimeoutMs: number;
  readonly maxConnections: number;
  /** Undefined: plain HTTP. */
  readonly certificate: Certificate | undefined;
};

/**
 * Longer than the 60 s for which proxies commonly keep an idle connection, so that they never reuse one that was just
 * closed.
 */
const keepAliveTimeoutMs = 65_000;
/** The interval at which Node checks for slow clients. */
const slowClientCheckMs = 500;

/** Creates Node's HTTP server with limits on the number of connections and on the time to send a request. */
export function createNodeServer(
  { requestTimeoutMs, maxConnections, certificate }: NodeServerSettings,
  listener: RequestListener,
): Server {
  const options = {
    keepAliveTimeout: keepAliveTimeoutMs,
    requestTimeout: requestTimeoutMs,
    headersTimeout: Math.ceil(requestTimeoutMs / 3),
    connectionsCheckingInterval: slowClientCheckMs,
    // Node's own error response has no body and no request id; request-head.ts rejects these requests.
    requireHostHeader: false,
  };
  const server = certificate
    ? createTlsServer({ ...options, ...certificate }, listener)
    : createServer(options, listener);
  server.maxConnections = maxConnections;
  // An unknown expectation may be ignored: https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1
  server.on('checkExpectation', listener);
  server.on('connect', rejectConnect);
  return server;
}
