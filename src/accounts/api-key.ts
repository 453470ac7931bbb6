import { hash, randomBytes } from 'node:crypto';

/** Identifies the key to people and to secret scanners. */
const prefix = 'ga_';

/** Creates a key of 192 random bits. */
export function createApiKey(): string {
  return prefix + randomBytes(24).toString('base64url');
}

/** Returns the stored SHA-256 hash. Keys are random and long, so a slow hash would add nothing. */
export function hashApiKey(key: string): Buffer<ArrayBuffer> {
  return hash('sha256', key, 'buffer');
}
