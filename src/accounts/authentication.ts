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
import type { Principal } from './principal.ts';

/** The credentials of a request. */
export type Credentials = {
  /** An API key, or a JSON Web Token. */
  readonly token?: string | undefined;
  readonly basic?: BasicCredentials | undefined;
};
type BasicCredentials = { readonly username: string; readonly password: string };

/** The network address that a caller comes from. */
type ClientAddress = {
  readonly address: string;
  /**
   * Called before a password is verified.
   * @throws AppError RATE_LIMITED after too many failed attempts from this address
   */
  readonly requireFailureQuota: () => Promise<void>;
};

/**
 * Authenticates a caller. Every credential in the request must be valid.
 * @throws AppError UNAUTHENTICATED; FORBIDDEN from a network that the account does not allow; RATE_LIMITED;
 * SERVICE_UNAVAILABLE
 */
export type Authenticate = (credentials: Credentials, client: ClientAddress) => Promise<Principal>;

/** How long accounts are cached: after this time, a change such as disabling one is effective on all servers. */
const accountMaxAgeMs = 1000;
const maxAccounts = 10_000;

/** An account's row, with the values that are derived from it once. */
type CachedAccount = {
  readonly row: AccountRow;
  readonly scopes: ReadonlySet<string>;
  readonly isAllowedFrom: (address: string) => boolean;
};

/** Creates the authentication by accounts and, if there is a verifier, by JWT. */
export function createAuthenticator(accounts: AccountRepository, jwt?: JwtVerifier): Authenticate {
  const passwords = createPasswordVerifier();
  const findByKeyHash = cachedLookup((hash) => accounts.findByApiKeyHash(Buffer.from(hash, 'base64')));
  const findByUsername = cachedLookup((username) => accounts.findByUsername(username));

  const requireKey = async (key: string): Promise<CachedAccount> => {
    const hash = hashApiKey(key);
    const account = await findByKeyHash(hash.toString('base64'));
    if (!account?.row.apiKeyHash || !timingSafeEqual(hash, account.row.apiKeyHash)) {
      throw new AppError('UNAUTHENTICATED', 'Invalid API key');
    }
    return account;
  };

  const requirePassword = async (
    { username, password }: BasicCredentials,
    { requireFailureQuota }: ClientAddress,
  ): Promise<CachedAccount> => {
    const account = isUsername(username) ? await findByUsername(username) : undefined;
    const storedHash = account?.row.passwordHash ?? null;
    // A recently verified password is accepted regardless of failed attempts by others at the same address.
    if (account && passwords.isCached(password, storedHash)) return account;
    await requireFailureQuota();
    const isRight = await passwords.isRight(password, storedHash);
    if (!account || !isRight) throw wrongPassword();
    return account;
  };

  return async ({ token, basic }, client) => {
    if (token !== undefined && jwt?.isJwt(token)) {
      if (!basic) return jwt.verify(token);
      throw new AppError('UNAUTHENTICATED', 'Send a token, or a username and a password, not both');
    }
    const byKey = token === undefined ? undefined : await requireKey(token);
    const byPassword = basic && (await requirePassword(basic, client));
    const account = byKey ?? byPassword;
    if (!account) throw missingCredentials();
    if (byKey && byPassword && byKey.row.username !== byPassword.row.username) {
      throw new AppError('UNAUTHENTICATED', 'The API key and the username belong to different accounts');
    }

    const credential = !byPassword ? 'api-key' : byKey ? 'both' : 'basic';
    requireUsable(account, credential, client.address);
    return { account: account.row.username, credential, scopes: account.scopes };
  };
}

/** @throws AppError UNAUTHENTICATED, FORBIDDEN */
function requireUsable(
  { row, isAllowedFrom }: CachedAccount,
  credential: Principal['credential'],
  address: string,
): void {
  // Someone guessing passwords must not learn that one was right.
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

/**
 * Caches an account lookup and merges concurrent lookups of one account. Misses are not cached: guessing keys must not
 * evict real accounts.
 */
function cachedLookup(
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
