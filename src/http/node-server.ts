import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
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
  limitConnections(server, maxConnections);
  // An unknown expectation may be ignored: https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1
  server.on('checkExpectation', listener);
  server.on('connect', rejectConnect);
  return server;
}

/**
 * Closes further connections immediately. Not by `server.maxConnections`: a worker of the cluster module would decline
 * the connection, and the primary would pass it from worker to worker without an end.
 */
function limitConnections(server: Server, maxConnections: number): void {
  const acceptors = server.listeners('connection');
  server.removeAllListeners('connection');
  let open = 0;
  server.on('connection', (socket: Socket) => {
    if (open >= maxConnections) {
      socket.destroy();
      return;
    }
    open++;
    socket.once('close', () => open--);
    for (const accept of acceptors) accept.call(server, socket);
  });
}
