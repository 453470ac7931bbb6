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
import type { Principal } from '../authentication.ts';
import { createRemoteKeySet } from './jwks.ts';
import { algorithmsOf, ecAlgorithms, edwardsAlgorithms, rsaAlgorithms } from '../../config/jwt-public-key.ts';

/** Where the keys are, and what a token must say. */
export type JwtSettings = {
  readonly keys: URL | KeyObject;
  readonly issuer: string;
  readonly audience: string;
};

/** Knows JSON Web Tokens. */
export type JwtVerifier = {
  /** Tells a token from an API key: three parts, of which the first is a JSON object. */
  isJwt(token: string): boolean;
  /** Reads a token and answers whose it is. @throws AppError UNAUTHENTICATED, SERVICE_UNAVAILABLE */
  verify(token: string): Promise<Principal>;
};

/** How far clocks may be apart, in seconds. */
const clockTolerance = 5;
const asymmetricAlgorithms = [...rsaAlgorithms, ...Object.values(ecAlgorithms).flat(), ...edwardsAlgorithms];

/**
 * Verifies tokens by a public key, or by those of a JWKS, which are fetched and kept. Only the algorithms of those keys are
 * taken: a token cannot choose `none`, nor a public key be used as a shared secret.
 * @see https://www.rfc-editor.org/rfc/rfc8725
 */
export function createJwtVerifier({ keys, issuer, audience }: JwtSettings, log: Logger): JwtVerifier {
  const options: JWTVerifyOptions = {
    issuer,
    audience,
    clockTolerance,
    requiredClaims: ['exp', 'sub'],
    // A key of a JWKS tells its own algorithm, or its type the possible ones.
    algorithms: keys instanceof URL ? asymmetricAlgorithms : algorithmsOf(keys),
  };
  const getKey: JWTVerifyGetKey = keys instanceof URL ? createRemoteKeySet(keys, log) : () => keys;

  return {
    isJwt,
    async verify(token) {
      try {
        return toPrincipal((await jwtVerify(token, getKey, options)).payload);
      } catch (error) {
        throw error instanceof AppError ? error : toAppError(error);
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
  // It goes into the audit.
  const isName = typeof sub === 'string' && /^[^\p{C}]{1,255}$/u.test(sub);
  if (!isName) throw refuse('its "sub" must have 1 to 255 printable characters');
  return {
    // With a colon, which no account of ours has: whoever issues tokens cannot pass for one.
    account: `jwt:${sub}`,
    credential: 'jwt',
    scopes: new Set([...readScopes(scope), ...readScopes(scp)]),
  };
}

/**
 * Reads a claim of scopes: `scope` as RFC 9068 has it, or `scp` as Okta and Microsoft do, each a string or a list. What is neither grants
 * nothing.
 * @see https://www.rfc-editor.org/rfc/rfc9068#section-2.2.3
 */
function readScopes(claim: unknown): string[] {
  const values: unknown[] = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : [];
  return values.filter((value) => typeof value === 'string' && value !== '') as string[];
}

function toAppError(error: unknown): AppError {
  if (error instanceof errors.JWTExpired) return refuse('it has expired');
  if (error instanceof errors.JWTClaimValidationFailed)
    return refuse(`its "${error.claim}" is not as expected`);
  return refuse('it is not signed with an accepted key and algorithm');
}

function refuse(reason: string): AppError {
  return new AppError('UNAUTHENTICATED', `The token is rejected: ${reason}`);
}
