import { createLocalJWKSet, createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose';
import { AppError } from '../../errors.ts';
import type { Logger } from '../../log.ts';

/**
 * How long fetched keys are cached, the minimum interval between fetches for unknown keys, and the time-out of a fetch.
 */
const options = { cacheMaxAge: 10 * 60 * 1000, cooldownDuration: 30_000, timeoutDuration: 3000 };
/** The pause after a failed fetch. */
const retryAfterMs = 5000;
const maxJwksBytes = 256 * 1024;

/** The keys could not be fetched, or the response is not a JWKS. */
class KeysUnavailable extends Error {
  override name = 'KeysUnavailable';
}

/**
 * Creates the function that finds the key of a token in a JWKS, which is fetched and cached. While it cannot be
 * fetched, the last keys are used.
 * @throws AppError SERVICE_UNAVAILABLE if no keys were fetched yet; jose's errors for a token without a matching key
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
    const cached = findRemote.jwks();
    if (cached) return createLocalJWKSet(cached)(header, token);
    throw new AppError(
      'SERVICE_UNAVAILABLE',
      'The keys for tokens (JWKS) cannot be fetched. Try again later',
    );
  };
}

function isUnavailable(error: unknown): boolean {
  return [KeysUnavailable, errors.JWKSTimeout, errors.JWKSInvalid].some((kind) => error instanceof kind);
}

/** Fetches a JWKS and rejects responses that are too large. */
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
