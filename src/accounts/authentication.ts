import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { AppError } from '../errors.ts';
import type { Account as AccountRow } from '../generated/prisma/client.ts';
import { createNetworkCheck } from '../validation/ip-address.ts';
import { isUsername } from './account.ts';
import type { AccountRepository } from './account-repository.ts';
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

export type Authenticator = {
  /**
   * Authenticates a caller by its credentials and its network address. Every credential in the request must be valid.
   * @throws AppError UNAUTHENTICATED; FORBIDDEN from a network that the account does not allow; SERVICE_UNAVAILABLE
   */
  authenticate(credentials: Credentials, address: string): Promise<Principal>;
  /**
   * Authenticates a caller as `authenticate` does, but without waiting, if it sent only a key whose account is cached.
   * @returns undefined for any other credentials, and for an account that may not be used
   */
  findCached(credentials: Credentials, address: string): Principal | undefined;
  /** Returns whether a password was verified recently, so that checking it again costs no slow hash. */
  isRecentlyVerified(credentials: BasicCredentials): Promise<boolean>;
};

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
export function createAuthenticator(accounts: AccountRepository, jwt?: JwtVerifier): Authenticator {
  const passwords = createPasswordVerifier();
  const byKeyHash = createAccountCache((keyHash) =>
    accounts.findByApiKeyHash(Buffer.from(keyHash, 'base64')),
  );
  const byUsername = createAccountCache((username) => accounts.findByUsername(username));

  const requireKey = async (key: string): Promise<CachedAccount> => {
    const account = await byKeyHash.fetch(encodeApiKeyHash(key));
    if (!account) throw new AppError('UNAUTHENTICATED', 'Invalid API key');
    return account;
  };

  const findAccount = async (username: string) =>
    isUsername(username) ? byUsername.fetch(username) : undefined;

  const requirePassword = async ({ username, password }: BasicCredentials): Promise<CachedAccount> => {
    const account = await findAccount(username);
    const isRight = await passwords.isRight(password, account?.row.passwordHash ?? null);
    if (!account || !isRight) throw wrongPassword();
    return account;
  };

  return {
    async isRecentlyVerified({ username, password }) {
      const account = await findAccount(username);
      return account !== undefined && passwords.isCached(password, account.row.passwordHash);
    },

    findCached({ token, basic }, address) {
      if (token === undefined || basic || jwt?.isJwt(token)) return undefined;
      const account = byKeyHash.get(encodeApiKeyHash(token));
      if (!account || findObstacle(account, 'api-key', address)) return undefined;
      return toPrincipal(account, 'api-key');
    },

    async authenticate({ token, basic }, address) {
      if (token !== undefined && jwt?.isJwt(token)) {
        if (!basic) return jwt.verify(token);
        throw new AppError('UNAUTHENTICATED', 'Send a token, or a username and a password, not both');
      }
      const byKey = token === undefined ? undefined : await requireKey(token);
      const byPassword = basic && (await requirePassword(basic));
      const account = byKey ?? byPassword;
      if (!account) throw missingCredentials();
      if (byKey && byPassword && byKey.row.username !== byPassword.row.username) {
        throw new AppError('UNAUTHENTICATED', 'The API key and the username belong to different accounts');
      }

      const credential = !byPassword ? 'api-key' : byKey ? 'both' : 'basic';
      const obstacle = findObstacle(account, credential, address);
      if (obstacle) throw obstacle;
      return toPrincipal(account, credential);
    },
  };
}

/** Returns the hash that `hashApiKey` stores, in Base64, which takes a quarter of the time: for each request. */
function encodeApiKeyHash(key: string): string {
  return hash('sha256', key, 'base64');
}

function toPrincipal({ row, scopes }: CachedAccount, credential: Principal['credential']): Principal {
  return { account: row.username, credential, scopes };
}

/** Returns why an account may not be used by this credential from this address: UNAUTHENTICATED or FORBIDDEN. */
function findObstacle(
  { row, isAllowedFrom }: CachedAccount,
  credential: Principal['credential'],
  address: string,
): AppError | undefined {
  // Someone guessing passwords must not learn that one was right.
  if (row.requiresBoth && credential === 'basic') return wrongPassword();
  if (row.requiresBoth && credential !== 'both')
    return new AppError('UNAUTHENTICATED', 'This account requires both its API key and its password');
  if (row.disabled) return new AppError('UNAUTHENTICATED', 'The account is disabled');
  if (row.expiresAt && row.expiresAt <= new Date())
    return new AppError('UNAUTHENTICATED', 'The account has expired');
  if (isAllowedFrom(address)) return undefined;
  return new AppError('FORBIDDEN', `The account may not be used from the address ${address}`, { address });
}

/**
 * Caches accounts, and merges concurrent lookups of one account. Misses are not cached: guessing keys must not evict
 * real accounts.
 */
function createAccountCache(
  find: (key: string) => Promise<AccountRow | null>,
): LRUCache<string, CachedAccount> {
  return new LRUCache<string, CachedAccount>({
    max: maxAccounts,
    ttl: accountMaxAgeMs,
    fetchMethod: async (key) => {
      const row = await find(key);
      return row ? toCachedAccount(row) : undefined;
    },
  });
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
