import { timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { AppError } from '../errors.ts';
import type { Account as AccountRow } from '../generated/prisma/client.ts';
import { createNetworkCheck } from '../validation/ip-address.ts';
import { isUsername } from './account.ts';
import type { AccountRepository } from './account-repository.ts';
import { hashApiKey } from './api-key.ts';
import type { JwtVerifier } from './jwt/verifier.ts';
import { createPasswordVerifier } from './password.ts';

/** What a caller sent to say who it is. */
export type Credentials = {
  /** An API key, or a JSON Web Token. */
  readonly token?: string | undefined;
  readonly basic?: BasicCredentials | undefined;
};
type BasicCredentials = { readonly username: string; readonly password: string };

/** Whoever was let in, and what it may do. */
export type Principal = {
  readonly account: string;
  readonly credential: 'api-key' | 'basic' | 'both' | 'jwt';
  readonly scopes: ReadonlySet<string>;
};

/** The network address that a caller comes from. */
export type ClientAddress = {
  readonly address: string;
  /** To be called before a password is tried. @throws AppError RATE_LIMITED where many attempts from there failed lately. */
  readonly requireFailureQuota: () => Promise<void>;
};

/**
 * Finds out who a caller is. Every credential that is sent has to be right.
 * @throws AppError UNAUTHENTICATED; FORBIDDEN from a network that the account is not for; RATE_LIMITED; SERVICE_UNAVAILABLE
 */
export type Authenticate = (credentials: Credentials, peer: ClientAddress) => Promise<Principal>;

/** How long an account is used before it is looked up again: what disables it holds everywhere after that. */
const accountMaxAgeMs = 1000;
const maxAccounts = 10_000;

/** An account, and what is made of its row once. */
type CachedAccount = {
  readonly row: AccountRow;
  readonly scopes: ReadonlySet<string>;
  readonly isAllowedFrom: (address: string) => boolean;
};

/** Looks callers up among the accounts; tokens are read by a verifier of their own, where there is one. */
export function createAuthenticator(accounts: AccountRepository, jwt?: JwtVerifier): Authenticate {
  const passwords = createPasswordVerifier();
  const findByKeyHash = cached((hash) => accounts.accountByApiKeyHash(Buffer.from(hash, 'base64')));
  const findByUsername = cached((username) => accounts.accountByUsername(username));

  const requireKey = async (key: string): Promise<CachedAccount> => {
    const hash = hashApiKey(key);
    const known = await findByKeyHash(hash.toString('base64'));
    if (!known?.row.apiKeyHash || !timingSafeEqual(hash, known.row.apiKeyHash)) {
      throw new AppError('UNAUTHENTICATED', 'Invalid API key');
    }
    return known;
  };

  const requirePassword = async (
    { username, password }: BasicCredentials,
    { requireFailureQuota }: ClientAddress,
  ): Promise<CachedAccount> => {
    const known = isUsername(username) ? await findByUsername(username) : undefined;
    const storedHash = known?.row.passwordHash ?? null;
    // Whoever is known to be right is let in, whatever others at the same address have tried.
    if (known && passwords.isCached(password, storedHash)) return known;
    await requireFailureQuota();
    const isRight = await passwords.isRight(password, storedHash);
    if (!known || !isRight) throw wrongPassword();
    return known;
  };

  return async ({ token, basic }, peer) => {
    if (token !== undefined && jwt?.isJwt(token)) {
      if (!basic) return jwt.verify(token);
      throw new AppError('UNAUTHENTICATED', 'Send a token, or a username and a password, not both');
    }
    const ofKey = token === undefined ? undefined : await requireKey(token);
    const ofPassword = basic && (await requirePassword(basic, peer));
    const known = ofKey ?? ofPassword;
    if (!known) throw missingCredentials();
    if (ofKey && ofPassword && ofKey.row.username !== ofPassword.row.username) {
      throw new AppError('UNAUTHENTICATED', 'The API key and the username belong to different accounts');
    }

    const credential = !ofPassword ? 'api-key' : ofKey ? 'both' : 'basic';
    requireUsable(known, credential, peer.address);
    return { account: known.row.username, credential, scopes: known.scopes };
  };
}

/** @throws AppError UNAUTHENTICATED, FORBIDDEN */
function requireUsable(
  { row, isAllowedFrom }: CachedAccount,
  credential: Principal['credential'],
  address: string,
): void {
  // Whoever guesses passwords is not told that one was right.
  if (row.requiresBoth && credential === 'basic') throw wrongPassword();
  if (row.requiresBoth && credential !== 'both') {
    throw new AppError('UNAUTHENTICATED', 'This account requires both its API key and its password');
  }
  if (row.disabled) throw new AppError('UNAUTHENTICATED', 'The account is disabled');
  if (row.expiresAt && row.expiresAt <= new Date()) {
    throw new AppError('UNAUTHENTICATED', 'The account has expired');
  }
  if (!isAllowedFrom(address)) {
    throw new AppError('FORBIDDEN', `The account may not be used from the address ${address}`, { address });
  }
}

/** Looks an account up once in a while, however many ask for it. What is not there is not kept, or guesses would push out the rest. */
function cached(
  find: (key: string) => Promise<AccountRow | null>,
): (key: string) => Promise<CachedAccount | undefined> {
  const cache = new LRUCache<string, CachedAccount>({
    max: maxAccounts,
    ttl: accountMaxAgeMs,
    fetchMethod: async (key) => {
      const row = await find(key);
      return row ? toCachedAccount(row) : undefined;
    },
  });
  return (key) => cache.fetch(key);
}

function toCachedAccount(row: AccountRow): CachedAccount {
  const { scopes, allowedNetworks } = row;
  return {
    row,
    scopes: new Set(scopes),
    isAllowedFrom: allowedNetworks.length === 0 ? () => true : createNetworkCheck(allowedNetworks),
  };
}

function wrongPassword(): AppError {
  return new AppError('UNAUTHENTICATED', 'The username or the password is wrong');
}

function missingCredentials(): AppError {
  return new AppError(
    'UNAUTHENTICATED',
    'Send an API key as "Authorization: Bearer <key>" or "X-APIKEY: <key>", or a username and a password by Basic',
  );
}
