import { createHash } from 'node:crypto';
import { badInput } from '../errors.ts';

/** Insists that a header Idempotency-Key, where there is one, is a key. @throws AppError BAD_USER_INPUT */
export function requireIdempotencyKey(key: string | undefined): void {
  if (key !== undefined && !/^[\x20-\x7e]{1,255}$/.test(key)) {
    throw badInput('Idempotency-Key', 'Idempotency-Key must have 1 to 255 printable ASCII characters');
  }
}

/** Tells arguments apart under one key, whatever their order. One that is null, or a flag that is false, is as good as left out. */
export function fingerprintOf(args: object): string {
  const given = Object.entries(args)
    .filter(([, value]) => value !== undefined && value !== null && value !== false)
    .toSorted(([name], [other]) => (name < other ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(given)).digest('base64url');
}
