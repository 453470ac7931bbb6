import cors from '@fastify/cors';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import helmet from 'helmet';

export type BrowserSettings = {
  /** The origins, beside our own, whose pages may call the API. `*`: all. */
  readonly corsOrigins: readonly string[];
  readonly isTls: boolean;
};

/** What a page of another origin may read beside the body. */
const exposedHeaders = [
  'Idempotency-Replayed',
  'RateLimit-Limit',
  'RateLimit-Remaining',
  'RateLimit-Reset',
  'Retry-After',
  'X-Request-Id',
];

/**
 * Tells browsers what our pages may do, and which other pages may call us. Credentials are never sent along by a browser on
 * its own, since there are no cookies.
 */
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

/** What Helmet sets, asked for once: as a middleware it would put the same headers together for every answer. */
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
        // The editor of the explorer writes styles, draws with data URLs, and checks what is typed in workers.
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", 'data:'],
        fontSrc: ["'self'", 'data:'],
        workerSrc: ["'self'"],
      },
    },
    xFrameOptions: { action: 'deny' },
    // Browsers would insist on HTTPS for months; only who has it can promise that.
    strictTransportSecurity: isTls,
    // Answers are read by pages of other origins where CORS lets them.
    crossOriginResourcePolicy: false,
  });
  setHeaders({} as IncomingMessage, response as unknown as ServerResponse, () => undefined);
  return headers;
}
