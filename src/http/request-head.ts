import type { IncomingMessage } from 'node:http';
import { AppError } from '../errors.ts';

/**
 * Returns the error of a request whose target or `Host` is against HTTP, so that a proxy may understand it differently. Only
 * HTTP/1.0, which health checks of old load balancers send, has no `Host`.
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2
 */
export function findRequestHeadError({
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
  // Node keeps the first one.
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2)
    if (rawHeaders[index]!.length === 4 && rawHeaders[index]!.toLowerCase() === 'host') hosts++;
  return hosts > 1 ? new AppError('BAD_REQUEST', 'Send one Host header') : undefined;
}
