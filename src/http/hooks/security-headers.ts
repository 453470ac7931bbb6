import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';

/** The headers of all responses, apart from those of one request. Routes may override them. */
export const commonHeaders: Readonly<Record<string, string>> = {
  // Responses contain private data.
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
};

/** As `commonHeaders`, of a server that has TLS: HSTS makes browsers require HTTPS for a year. */
export const commonTlsHeaders: Readonly<Record<string, string>> = {
  ...commonHeaders,
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
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
 * Lets pages of other origins call the API, of all origins if one is `*`. CORS does not allow credentials: there are no
 * cookies.
 */
export async function allowOrigins(http: FastifyInstance, corsOrigins: readonly string[]): Promise<void> {
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
