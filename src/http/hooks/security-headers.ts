import cors from '@fastify/cors';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import helmet from 'helmet';

export type BrowserSettings = {
  /** The origins, in addition to our own, whose pages may call the API. `*`: all. */
  readonly corsOrigins: readonly string[];
  readonly isTls: boolean;
};

/** The response headers that pages of other origins may read. */
const exposedHeaders = [
  'Idempotency-Replayed',
  'RateLimit-Limit',
  'RateLimit-Remaining',
  'RateLimit-Reset',
  'Retry-After',
  'X-Request-Id',
];

/** Sets security headers and CORS. CORS does not allow credentials: there are no cookies. */
export async function registerSecurityHeaders(
  http: FastifyInstance,
  { corsOrigins, isTls }: BrowserSettings,
): Promise<void> {
  const headers = createSecurityHeaders(isTls);
  http.addHook('onRequest', (_request, reply, done) => {
    reply.headers(headers);
    done();
  });
  await http.register(cors, {
    origin: corsOrigins.includes('*') ? '*' : corsOrigins.length === 0 ? false : [...corsOrigins],
    methods: ['GET', 'POST', 'PUT', 'DELETE'],
    exposedHeaders,
    maxAge: 600,
    strictPreflight: false,
  });
}

/** Returns Helmet's headers, computed once: as a middleware, Helmet would compute them for every response. */
function createSecurityHeaders(isTls: boolean): Record<string, string> {
  const headers: Record<string, string> = {};
  const response = {
    setHeader: (name: string, value: string) => (headers[name] = value),
    removeHeader: () => undefined,
  };
  const setHeaders = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
        objectSrc: ["'none'"],
        // The explorer's editor uses inline styles, data URLs, and workers for validation.
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", 'data:'],
        fontSrc: ["'self'", 'data:'],
        workerSrc: ["'self'"],
      },
    },
    xFrameOptions: { action: 'deny' },
    // HSTS makes browsers require HTTPS for months, so it is set only if this server has TLS.
    strictTransportSecurity: isTls,
    // CORS decides which other origins may read responses.
    crossOriginResourcePolicy: false,
  });
  setHeaders({} as IncomingMessage, response as unknown as ServerResponse, () => undefined);
  return headers;
}
