import { generateKeyPairSync } from 'node:crypto';
import { SignJWT, type JWTPayload } from 'jose';
import { createApiKey, hashApiKey } from '../../src/accounts/api-key.ts';
import { hashPassword } from '../../src/accounts/password.ts';
import type { TestDatabase } from './test-database.ts';

/** The properties of a test account. Omitted ones are those of a new account with an API key. */
export type TestAccount = {
  readonly username: string;
  readonly scopes?: readonly string[];
  readonly password?: string;
  readonly apiKey?: string | null;
  readonly requiresBoth?: boolean;
  readonly allowedNetworks?: readonly string[];
  readonly disabled?: boolean;
  readonly expiresAt?: string;
};

/** Inserts an account into the database, and returns its request headers for each kind of credential. */
export async function createTestAccount(database: TestDatabase, account: TestAccount) {
  const { username, password, apiKey = createApiKey() } = account;
  await database.sql(
    `INSERT INTO accounts (username, api_key_hash, password_hash, requires_both, scopes, allowed_networks, disabled, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      username,
      apiKey === null ? null : hashApiKey(apiKey),
      password === undefined ? null : await hashPassword(password),
      account.requiresBoth ?? false,
      account.scopes ?? ['*'],
      account.allowedNetworks ?? [],
      account.disabled ?? false,
      account.expiresAt ?? null,
    ],
  );
  const byKey = { 'X-APIKEY': apiKey ?? '' };
  const byPassword = basic(username, password ?? '');
  return { apiKey, byKey, byPassword, byBoth: { ...byKey, ...byPassword } };
}

export function basic(username: string, password: string): { Authorization: string } {
  return { Authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
}

export function bearer(token: string): { Authorization: string } {
  return { Authorization: `Bearer ${token}` };
}

/** Sends a request with these credentials only, and returns its status and the message of its error. */
export async function sendWith(
  { httpUrl }: { readonly httpUrl: string },
  credentials: Record<string, string>,
  path = '/allGroups',
): Promise<[status: number, message: string | undefined]> {
  const response = await fetch(httpUrl + path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...credentials },
    body: '{}',
  });
  const { errors } = (await response.json()) as { errors?: { message: string }[] };
  return [response.status, errors?.[0]!.message];
}

/** An issuer of tokens, with the server settings that accept it. */
export function createTokenIssuer() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const issuer = 'https://login.example';
  const audience = 'group-api';
  return {
    settings: { JWT_PUBLIC_KEY: publicKey, JWT_ISSUER: issuer, JWT_AUDIENCE: audience },
    issue: (claims: JWTPayload, key = privateKey) =>
      new SignJWT({
        iss: issuer,
        aud: audience,
        sub: 'robot',
        exp: Math.floor(Date.now() / 1000) + 3600,
        ...claims,
      })
        .setProtectedHeader({ alg: 'EdDSA' })
        .sign(key),
  };
}
