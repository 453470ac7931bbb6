import { createLocalJWKSet, createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose';
import { AppError } from '../../errors.ts';
import type { Logger } from '../../log.ts';

/** How long fetched keys are used, how soon they are fetched again for a key that is not among them, and how long that may take. */
const options = { cacheMaxAge: 10 * 60 * 1000, cooldownDuration: 30_000, timeoutDuration: 3000 };
/** How long nothing is asked of a server that did not answer. */
const retryAfterMs = 5000;
const maxJwksBytes = 256 * 1024;

/** The keys could not be fetched, or what came are none. */
class KeysUnavailable extends Error {
  override name = 'KeysUnavailable';
}

/**
 * Finds the key of a token in a JWKS, which is fetched and kept. While it cannot be fetched the keys that were there last are
 * used.
 * @throws AppError SERVICE_UNAVAILABLE where there are none yet; jose's errors for a token that no key fits
 */
export function createRemoteKeySet(url: URL, log: Logger): JWTVerifyGetKey {
  const findRemote = createRemoteJWKSet(url, { ...options, [customFetch]: fetchJwks });
  let failedAt = Number.NEGATIVE_INFINITY;

  return async (header, token) => {
    if (Date.now() - failedAt > retryAfterMs) {
      try {
        return await findRemote(header, token);
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        failedAt = Date.now();
        log.warn({ reason: (error as Error).message }, 'cannot fetch the JWKS');
      }
    }
    const known = findRemote.jwks();
    if (known) return createLocalJWKSet(known)(header, token);
    throw new AppError(
      'SERVICE_UNAVAILABLE',
      'The keys for tokens (JWKS) cannot be fetched. Try again later',
    );
  };
}

function isUnavailable(error: unknown): boolean {
  return [KeysUnavailable, errors.JWKSTimeout, errors.JWKSInvalid].some((kind) => error instanceof kind);
}

/** Takes no more than a JWKS can be, whatever comes. */
async function fetchJwks(url: string, init: RequestInit): Promise<Response> {
  const chunks: Uint8Array[] = [];
  try {
    const response = await fetch(url, init);
    if (response.status !== 200) throw new KeysUnavailable(`the status was ${response.status}`);
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length;
      if (bytes > maxJwksBytes) throw new KeysUnavailable(`there were more than ${maxJwksBytes} bytes`);
      chunks.push(chunk);
    }
    const text = Buffer.concat(chunks).toString();
    JSON.parse(text);
    return new Response(text, { headers: { 'Content-Type': 'application/json' } });
  } catch (error) {
    const isTimeout = (error as Error).name === 'TimeoutError';
    throw isTimeout || error instanceof KeysUnavailable
      ? error
      : new KeysUnavailable((error as Error).message);
  }
}
