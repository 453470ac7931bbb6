import { createHash } from 'node:crypto';
import { badInput } from '../errors.ts';

/** Validates the Idempotency-Key header, if present. @throws AppError BAD_USER_INPUT */
export function requireIdempotencyKey(key: string | undefined): void {
  if (key !== undefined && !/^[\x20-\x7e]{1,255}$/.test(key)) {
    throw badInput('Idempotency-Key', 'Idempotency-Key must have 1 to 255 printable ASCII characters');
  }
}

/** Returns a hash of the arguments, independent of their order. Null and false count as omitted. */
export function fingerprintOf(args: object): string {
  const entries = Object.entries(args)
    .filter(([, value]) => value !== undefined && value !== null && value !== false)
    .toSorted(([name], [other]) => (name < other ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(entries)).digest('base64url');
}
