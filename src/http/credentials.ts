import type { IncomingMessage } from 'node:http';
import type { Credentials } from '../accounts/authentication.ts';
import { AppError } from '../errors.ts';

/**
 * Reads what a request says of its sender: `Authorization: Bearer <key or token>`, `Authorization: Basic …` and
 * `X-APIKEY: <key>`.
 * @throws AppError UNAUTHENTICATED where it says it twice, so that no proxy in between can have seen the other one.
 */
export function parseCredentials({ headers, headersDistinct }: IncomingMessage): Credentials {
  for (const name of ['authorization', 'x-apikey']) {
    if ((headersDistinct[name]?.length ?? 0) > 1) throw unreadable(`Send one ${name} header`);
  }
  const apiKey = headers['x-apikey'] as string | undefined;
  const { token, basic } = readAuthorization(headers.authorization);
  if (apiKey && token !== undefined && apiKey !== token) {
    throw unreadable('Send the key as a Bearer token or as X-APIKEY, not a different one as each');
  }
  return { token: token ?? (apiKey || undefined), basic };
}

function readAuthorization(value: string | undefined): Credentials {
  if (!value) return {};
  // The schemes are case-insensitive: https://www.rfc-editor.org/rfc/rfc9110#section-11.1
  const [, scheme = '', credentials = ''] = /^(\S+) +(\S+) *$/.exec(value) ?? [];
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return { token: credentials };
    case 'basic':
      return { basic: readBasic(credentials) };
    default:
      throw unreadable(
        'Send "Authorization: Bearer <key>" or "Authorization: Basic <username:password in Base64>"',
      );
  }
}

/** https://www.rfc-editor.org/rfc/rfc7617#section-2: the first colon ends the username. */
function readBasic(credentials: string): { username: string; password: string } {
  const text = Buffer.from(credentials, 'base64').toString();
  const colon = text.indexOf(':');
  if (colon === -1) throw unreadable('Basic credentials must be "username:password" in Base64');
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

function unreadable(message: string): AppError {
  return new AppError('UNAUTHENTICATED', message);
}
