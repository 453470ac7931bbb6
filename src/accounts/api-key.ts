import { hash, randomBytes } from 'node:crypto';

/** Tells people and scanners for leaked secrets what it is. */
const prefix = 'ga_';

/** Makes a key of 192 random bits. */
export function createApiKey(): string {
  return prefix + randomBytes(24).toString('base64url');
}

/** SHA-256, which is what is stored: nobody can try out all keys, so that a slow hash would add nothing. */
export function hashApiKey(key: string): Buffer<ArrayBuffer> {
  return hash('sha256', key, 'buffer');
}
