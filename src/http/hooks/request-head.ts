import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { AppError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { PathMethods } from '../path-methods.ts';

const ignoredForwardingText =
  'requests have X-Forwarded-For, which is ignored since TRUST_PROXY is unset: the networks of accounts, the rate limits ' +
  'and the audit log use the address of the connection. If it is a proxy, set TRUST_PROXY to it';

type RequestHeadSettings = {
  /** The headers of all responses, apart from `X-Request-Id`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly trustsProxies: boolean;
};

/**
 * Sets the headers of all responses, with `Allow` for OPTIONS, and rejects requests whose head violates HTTP. Warns
 * once if a proxy seems to be in front of the server, and TRUST_PROXY is unset.
 */
export function checkRequestHeads(
  http: FastifyInstance,
  { headers, trustsProxies }: RequestHeadSettings,
  paths: PathMethods,
  log: Logger,
): void {
  // Once, not for each request.
  let warnsOfForwarding = !trustsProxies;
  http.addHook('onRequest', (request, reply, done) => {
    if (warnsOfForwarding && request.headers['x-forwarded-for'] !== undefined) {
      warnsOfForwarding = false;
      log.warn({ ip: request.ip }, ignoredForwardingText);
    }
    reply.header('X-Request-Id', request.id).headers(headers);
    if (request.method === 'OPTIONS') reply.header('Allow', paths.allowedFor(request).join(', '));
    done(findRequestHeadError(request.raw));
  });
}

/**
 * Returns the client's request id if it is valid, so that a request can be traced across systems; otherwise a new one.
 */
export function requestIdOf({ headers }: IncomingMessage): string {
  const id = headers['x-request-id'];
  return typeof id === 'string' && /^[\w.:-]{1,128}$/.test(id) ? id : randomUUID();
}

/**
 * Normalizes an IP address: an IPv4-mapped address becomes IPv4, since a server that listens on `::` sees
 * `::ffff:192.0.2.1`, and the port that some proxies add is removed.
 */
export function normalizeIp(text: string): string {
  if (!text.includes(':')) return text;
  const [, v4, v6] = /^(?:::ffff:)?(\d+(?:\.\d+){3})(?::\d+)?$|^\[(.+)\](?::\d+)?$/i.exec(text) ?? [];
  return v4 ?? v6 ?? text;
}

/**
 * Returns the error of a request whose target or `Host` violates HTTP, which proxies may interpret differently (request
 * smuggling). `Host` is optional in HTTP/1.0 only, which old load balancers use for health checks.
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2
 */
function findRequestHeadError({
  method,
  url = '',
  httpVersion,
  headers,
  rawHeaders,
}: IncomingMessage): AppError | undefined {
  const isTarget = url.startsWith('/') || /^https?:\/\//i.test(url) || (url === '*' && method === 'OPTIONS');
  if (!isTarget) return new AppError('BAD_REQUEST', 'Malformed URL');
  if (!headers.host)
    return httpVersion === '1.0' ? undefined : new AppError('BAD_REQUEST', 'Send a Host header');
  return isRepeated('host', rawHeaders) ? new AppError('BAD_REQUEST', 'Send one Host header') : undefined;
}

/**
 * Returns whether a request has a header several times, of which `IncomingMessage.headers` contains the first one only.
 * @param name in lower case
 */
export function isRepeated(name: string, rawHeaders: readonly string[]): boolean {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const candidate = rawHeaders[index]!;
    if (candidate.length === name.length && candidate.toLowerCase() === name) count++;
  }
  return count > 1;
}
