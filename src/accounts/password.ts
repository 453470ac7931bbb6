import { createHmac, randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { LRUCache } from 'lru-cache';
import { AppError } from '../errors.ts';

/**
 * Argon2id with 19 MiB and two passes: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
 */
const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
/** The maximum number of passwords hashed concurrently: each uses a core for tens of milliseconds. */
const maxConcurrent = 2;
/** The maximum number of waiting passwords, about one second of work. */
const maxWaiting = 64;
/** How long a verified password is cached, so that it is not hashed for each request. */
const cacheTtlMs = 5 * 60 * 1000;
const maxCached = 1000;

/** Returns the stored hash of a password, including its salt and cost. */
export async function hashPassword(password: string): Promise<string> {
  return hash(normalise(password), cost);
}

/** Creates a verifier whose response time does not reveal whether an account exists. */
export function createPasswordVerifier() {
  // The cache keys are HMACs with a random key, so memory contains neither passwords nor hashes that could be looked up
  // in a table.
  const secret = randomBytes(32);
  const verified = new LRUCache<string, true>({ max: maxCached, ttl: cacheTtlMs });
  const cacheKey = (password: string, storedHash: string) =>
    createHmac('sha256', secret).update(storedHash).update('\0').update(normalise(password)).digest('base64');
  const limit = createSemaphore();
  // The hash that passwords of unknown accounts are verified against.
  let decoyHash: Promise<string> | undefined;

  /** Returns whether this password was verified recently. A password change invalidates the cache entry. */
  const isCached = (password: string, storedHash: string | null) =>
    storedHash !== null && verified.has(cacheKey(password, storedHash));

  return {
    isCached,

    /** @throws AppError SERVICE_UNAVAILABLE if too many passwords are waiting */
    async isRight(password: string, storedHash: string | null): Promise<boolean> {
      if (isCached(password, storedHash)) return true;
      decoyHash ??= hashPassword(randomBytes(16).toString('base64'));
      const compared = storedHash ?? (await decoyHash);
      const isEqual = await limit(() => verify(compared, normalise(password)));
      if (!isEqual || storedHash === null) return false;
      verified.set(cacheKey(password, storedHash), true);
      return true;
    },
  };
}

/** Keyboards may enter the same characters as different code points. */
function normalise(password: string): string {
  return password.normalize('NFC');
}

/** Creates a semaphore with a bounded queue. */
function createSemaphore(): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running < maxConcurrent) running++;
    else if (waiting.length < maxWaiting) await new Promise<void>((resolve) => waiting.push(resolve));
    else throw new AppError('SERVICE_UNAVAILABLE', 'Too many passwords are being checked. Try again later');
    try {
      return await work();
    } finally {
      // The slot passes directly to the next in the queue, so that a new caller cannot take it.
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
