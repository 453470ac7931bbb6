import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';

type BrowserSettings = {
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

/**
 * Sets the security headers of all responses, and CORS. CORS does not allow credentials: there are no cookies. Headers
 * that only pages need are set by `addPageHeaders`.
 */
export async function registerSecurityHeaders(
  http: FastifyInstance,
  { corsOrigins, isTls }: BrowserSettings,
): Promise<void> {
  http.addHook('onRequest', (_request, reply, done) => {
    reply.header('X-Content-Type-Options', 'nosniff');
    if (isTls) reply.header('Strict-Transport-Security', hsts);
    done();
  });
  if (corsOrigins.length === 0) {
    // As with CORS: a known method of every path.
    http.options('*', (_request, reply) => {
      reply.callNotFound();
    });
    return;
  }
  await http.register(cors, {
    origin: corsOrigins.includes('*') ? '*' : [...corsOrigins],
    methods: ['GET', 'POST', 'PUT', 'DELETE'],
    exposedHeaders: exposedHeaders.join(', '),
    maxAge: 600,
    strictPreflight: false,
  });
}

/**
 * Sets the headers that protect pages in a browser on all responses of these routes. Responses of the API need none of
 * them: browsers do not render JSON with `nosniff`.
 */
export function addPageHeaders(pages: FastifyInstance): void {
  pages.addHook('onRequest', (_request, reply, done) => {
    reply.headers(pageHeaders);
    done();
  });
}

/**
 * The headers of pages and their files, as OWASP recommends.
 * @see https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Headers_Cheat_Sheet.html
 */
const pageHeaders: Readonly<Record<string, string>> = {
  // File names do not change between versions, so browsers must revalidate their cached copies.
  'Cache-Control': 'no-cache',
  // The explorer's editor uses inline styles, data URLs, and workers for validation.
  'Content-Security-Policy': [
    "default-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "object-src 'none'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "worker-src 'self'",
  ].join(';'),
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Origin-Agent-Cluster': '?1',
  'Referrer-Policy': 'no-referrer',
  'X-DNS-Prefetch-Control': 'off',
  'X-Download-Options': 'noopen',
  'X-Frame-Options': 'DENY',
  'X-Permitted-Cross-Domain-Policies': 'none',
  'X-XSS-Protection': '0',
};
/** HSTS makes browsers require HTTPS for a year, so it is sent only if this server has TLS. */
const hsts = 'max-age=31536000; includeSubDomains';
