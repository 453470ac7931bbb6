import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { OperatorError } from '../../errors.ts';
import type { Logger } from '../../log.ts';

/** The server of the metrics. */
type MetricsServer = { readonly url: string; close(): Promise<void> };

const path = '/metrics';
const methods = ['GET', 'HEAD'];
/** A few scrapers, each with one connection. */
const maxConnections = 50;
const requestTimeoutMs = 5000;

/**
 * Serves the metrics at `/metrics` of a separate port, without credentials: only Prometheus should reach it. Port 0
 * selects any free port.
 * @throws OperatorError if the address cannot be used
 */
export async function serveMetrics(
  { host, port }: { readonly host: string; readonly port: number },
  collect: () => Promise<Registry>,
  log: Logger,
): Promise<MetricsServer> {
  const server = createServer(
    { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs, connectionsCheckingInterval: 1000 },
    (request, response) => {
      respond(request, response, collect).catch((error: unknown) => {
        log.error({ err: error }, 'the metrics cannot be read');
        if (!response.headersSent) response.writeHead(500);
        response.end();
      });
    },
  );
  server.maxConnections = maxConnections;
  server.listen({ host, port });
  try {
    await once(server, 'listening');
  } catch (error) {
    throw explainListenError(error as NodeJS.ErrnoException, { host, port });
  }
  const { address, family, port: actualPort } = server.address() as AddressInfo;
  const url = `http://${family === 'IPv6' ? `[${address}]` : address}:${actualPort}${path}`;
  log.info({ url }, 'serving metrics');
  return {
    url,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function respond(
  { method = '', url = '' }: IncomingMessage,
  response: ServerResponse,
  collect: () => Promise<Registry>,
): Promise<void> {
  if (url.split('?', 1)[0] !== path)
    return sendText(response, 404, `Not found. The metrics are at ${path}\n`);
  if (!methods.includes(method)) {
    response.setHeader('Allow', methods.join(', '));
    return sendText(response, 405, `Use ${methods.join(' or ')}\n`);
  }
  const registry = await collect();
  return sendText(response, 200, await registry.metrics(), registry.contentType);
}

function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  response
    .writeHead(status, {
      'Content-Type': contentType,
      'Content-Length': Buffer.byteLength(text),
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    })
    // Node sends no body in response to HEAD.
    .end(text);
}

function explainListenError(
  error: NodeJS.ErrnoException,
  { host, port }: { host: string; port: number },
): Error {
  switch (error.code) {
    case 'EADDRINUSE':
      return new OperatorError(
        `Another program, or this server's PORT, listens on ${host}:${port}. Set METRICS_PORT to another port (0 selects any free port)`,
      );
    case 'EACCES':
      return new OperatorError(
        `No permission to listen on ${host}:${port}. Set METRICS_PORT to 1024 or above`,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new OperatorError(
        `METRICS_HOST must be an address of this machine, not ${host}. 0.0.0.0 means all addresses`,
      );
    default:
      return error;
  }
}
