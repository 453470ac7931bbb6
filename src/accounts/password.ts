import { createHmac, randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { LRUCache } from 'lru-cache';
import { AppError } from '../errors.ts';

/** Argon2id with 19 MiB and two passes: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html */
const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
/** How many passwords are hashed at the same moment: each takes a core for tens of milliseconds. */
const maxAtOnce = 2;
/** How many may wait for that, which is about a second's work. */
const maxWaiting = 64;
/** How long a right password is remembered, so that it is not hashed at each call. */
const rememberedMs = 5 * 60 * 1000;
const maxRemembered = 1000;

export type PasswordVerifier = ReturnType<typeof createPasswordVerifier>;

/** Makes the text that is stored of a password. */
export async function hashPassword(password: string): Promise<string> {
  return hash(normalise(password), cost);
}

/** Tells whether passwords are right, in a time that does not tell whether there is an account. */
export function createPasswordVerifier() {
  // Neither passwords nor what could be compared with a list of known hashes is kept in memory.
  const secret = randomBytes(32);
  const remembered = new LRUCache<string, true>({ max: maxRemembered, ttl: rememberedMs });
  const cacheKey = (password: string, storedHash: string) =>
    createHmac('sha256', secret).update(storedHash).update('\0').update(normalise(password)).digest('base64');
  const limit = createSemaphore();
  // Of no account: what the password of an unknown one is compared with.
  let nobody: Promise<string> | undefined;

  return {
    /** Whether this password was found right a short time ago; a new one makes that void. */
    isCached(password: string, storedHash: string | null): boolean {
      return storedHash !== null && remembered.has(cacheKey(password, storedHash));
    },

    /** @throws AppError SERVICE_UNAVAILABLE where too many are waiting already. */
    async isRight(password: string, storedHash: string | null): Promise<boolean> {
      nobody ??= hashPassword(randomBytes(16).toString('base64'));
      const compared = storedHash ?? (await nobody);
      const isEqual = await limit(() => verify(compared, normalise(password)));
      if (!isEqual || storedHash === null) return false;
      remembered.set(cacheKey(password, storedHash), true);
      return true;
    },
  };
}

/** The same characters may come as different code points, by the keyboard. */
function normalise(password: string): string {
  return password.normalize('NFC');
}

/** Lets a few run at the same moment, and the others wait. */
function createSemaphore(): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running < maxAtOnce) running++;
    else if (waiting.length < maxWaiting) await new Promise<void>((resolve) => waiting.push(resolve));
    else throw new AppError('SERVICE_UNAVAILABLE', 'Too many passwords are being checked. Try again later');
    try {
      return await work();
    } finally {
      // The turn is handed on, so that nobody comes in between.
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
