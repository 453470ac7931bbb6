import type { IncomingHttpHeaders } from 'node:http';
import { isAdminKey, type AdminKey } from '../accounts/admin-key.ts';
import { AppError } from '../errors.ts';

/**
 * Insists on the key, as `Authorization: Bearer <key>` or `X-APIKEY: <key>`.
 * @throws AppError UNAUTHENTICATED
 */
export function requireKey(headers: IncomingHttpHeaders, adminKey: AdminKey): void {
  const key = readKey(headers);
  if (key === undefined) {
    throw new AppError(
      'UNAUTHENTICATED',
      'Send the API key as "Authorization: Bearer <key>" or "X-APIKEY: <key>"',
    );
  }
  if (!isAdminKey(key, adminKey)) throw new AppError('UNAUTHENTICATED', 'The API key is not known');
}

function readKey(headers: IncomingHttpHeaders): string | undefined {
  const apiKey = headers['x-apikey'];
  if (typeof apiKey === 'string' && apiKey !== '') return apiKey;
  // https://www.rfc-editor.org/rfc/rfc6750#section-2.1; the scheme is case-insensitive.
  return /^bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
}
