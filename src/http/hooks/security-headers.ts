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

/** Sets security headers and CORS. CORS does not allow credentials: there are no cookies. */
export async function registerSecurityHeaders(
  http: FastifyInstance,
  { corsOrigins, isTls }: BrowserSettings,
): Promise<void> {
  const headers = isTls ? { ...securityHeaders, ...hstsHeaders } : securityHeaders;
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

/**
 * The headers for pages and API responses, as OWASP recommends.
 * @see https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Headers_Cheat_Sheet.html
 */
const securityHeaders: Readonly<Record<string, string>> = {
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
  'X-Content-Type-Options': 'nosniff',
  'X-DNS-Prefetch-Control': 'off',
  'X-Download-Options': 'noopen',
  'X-Frame-Options': 'DENY',
  'X-Permitted-Cross-Domain-Policies': 'none',
  'X-XSS-Protection': '0',
};
/** HSTS makes browsers require HTTPS for a year, so it is sent only if this server has TLS. */
const hstsHeaders = { 'Strict-Transport-Security': 'max-age=31536000; includeSubDomains' };
