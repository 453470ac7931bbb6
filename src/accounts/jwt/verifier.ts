import type { KeyObject } from 'node:crypto';
import {
  decodeProtectedHeader,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
} from 'jose';
import { AppError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { Principal } from '../principal.ts';
import { createRemoteKeySet } from './jwks.ts';
import { algorithmsOf, ecAlgorithms, edwardsAlgorithms, rsaAlgorithms } from '../../config/jwt-public-key.ts';

/** The public keys, and the required claims of a token. */
type JwtSettings = {
  readonly keys: URL | KeyObject;
  readonly issuer: string;
  readonly audience: string;
};

/** Verifies JWTs. */
export type JwtVerifier = {
  /**
   * Returns whether a Bearer token is a JWT instead of an API key: it has three parts, and the first is a JSON object.
   */
  isJwt(token: string): boolean;
  /** Verifies a token and returns its principal. @throws AppError UNAUTHENTICATED, SERVICE_UNAVAILABLE */
  verify(token: string): Promise<Principal>;
};

/** The accepted clock skew in seconds. */
const clockTolerance = 5;
const asymmetricAlgorithms = [...rsaAlgorithms, ...Object.values(ecAlgorithms).flat(), ...edwardsAlgorithms];

/**
 * Creates a verifier with a public key or the keys of a JWKS. Only the algorithms of these keys are accepted, which
 * prevents algorithm confusion: a token can neither choose `none` nor use a public key as a shared secret.
 * @see https://www.rfc-editor.org/rfc/rfc8725
 */
export function createJwtVerifier({ keys, issuer, audience }: JwtSettings, log: Logger): JwtVerifier {
  const options: JWTVerifyOptions = {
    issuer,
    audience,
    clockTolerance,
    requiredClaims: ['exp', 'sub'],
    // A key of a JWKS has its own algorithm, or a type that restricts the algorithms.
    algorithms: keys instanceof URL ? asymmetricAlgorithms : algorithmsOf(keys),
  };
  const getKey: JWTVerifyGetKey = keys instanceof URL ? createRemoteKeySet(keys, log) : () => keys;

  return {
    isJwt,
    async verify(token) {
      try {
        return toPrincipal((await jwtVerify(token, getKey, options)).payload);
      } catch (error) {
        throw error instanceof AppError ? error : toTokenError(error);
      }
    },
  };
}

function isJwt(token: string): boolean {
  if (!/^[\w-]+\.[\w-]+\.[\w-]*$/.test(token)) return false;
  try {
    decodeProtectedHeader(token);
    return true;
  } catch {
    return false;
  }
}

function toPrincipal({ sub, scope, scp }: JWTPayload): Principal {
  // `sub` is written to the audit log, so its characters are restricted.
  const isName = typeof sub === 'string' && /^[^\p{C}]{1,255}$/u.test(sub);
  if (!isName) throw invalidToken('its "sub" must have 1 to 255 printable characters');
  return {
    // Our usernames contain no colon, so a token issuer cannot impersonate an account.
    account: `jwt:${sub}`,
    credential: 'jwt',
    scopes: new Set([...parseScopeClaim(scope), ...parseScopeClaim(scp)]),
  };
}

/**
 * Parses a claim with scopes: `scope` (RFC 9068) or `scp` (Okta, Microsoft), each a string or a list. Any other value
 * grants no scopes.
 * @see https://www.rfc-editor.org/rfc/rfc9068#section-2.2.3
 */
function parseScopeClaim(claim: unknown): string[] {
  const values: unknown[] = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : [];
  return values.filter((value) => typeof value === 'string' && value !== '') as string[];
}

function toTokenError(error: unknown): AppError {
  if (error instanceof errors.JWTExpired) return invalidToken('it has expired');
  if (error instanceof errors.JWTClaimValidationFailed)
    return invalidToken(`its "${error.claim}" is not as expected`);
  return invalidToken('it is not signed with an accepted key and algorithm');
}

function invalidToken(reason: string): AppError {
  return new AppError('UNAUTHENTICATED', `The token is rejected: ${reason}`);
}
