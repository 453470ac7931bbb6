import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { rejectConnect } from './broken-request.ts';
import type { Certificate } from './tls.ts';

export type NodeServerSettings = {
  readonly requestTimeoutMs: number;
  readonly maxConnections: number;
  /** None: plain HTTP. */
  readonly certificate: Certificate | undefined;
};

/** Longer than the 60 s for which proxies commonly keep a connection, so that they never use one that just closed. */
const keepAliveTimeoutMs = 65_000;
/** How often slow clients are looked for. */
const slowClientCheckMs = 500;

/** Creates Node's server, with limits on how many connections there are and how long each may take to send a request. */
export function createNodeServer(
  { requestTimeoutMs, maxConnections, certificate }: NodeServerSettings,
  listener: RequestListener,
): Server {
  const options = {
    keepAliveTimeout: keepAliveTimeoutMs,
    requestTimeout: requestTimeoutMs,
    headersTimeout: Math.ceil(requestTimeoutMs / 3),
    connectionsCheckingInterval: slowClientCheckMs,
    // Node's own refusal has no body and no request id; ours is in server.ts.
    requireHostHeader: false,
  };
  const server = certificate
    ? createTlsServer({ ...options, ...certificate }, listener)
    : createServer(options, listener);
  server.maxConnections = maxConnections;
  // An expectation that is not known may be ignored: https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1
  server.on('checkExpectation', listener);
  server.on('connect', rejectConnect);
  return server;
}
