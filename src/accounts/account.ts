import { textParser } from '../validation/input-parsers.ts';
import { AppError, badInput } from '../errors.ts';
import type { Account as AccountRow } from '../generated/prisma/client.ts';
import { parseCidr } from '../validation/ip-address.ts';
import { quoteValue } from '../validation/quote-value.ts';
import { isScope, allScopes, type Scope } from './scopes.ts';

/** The account that the server creates, which has all scopes. */
export const adminUsername = 'admin';

/** An account without its credentials, but with the information which kinds it has. */
export type Account = Omit<AccountRow, 'apiKeyHash' | 'passwordHash'> & {
  readonly hasApiKey: boolean;
  readonly hasPassword: boolean;
};

/** Removes the credentials from a row. */
export function toAccount({ apiKeyHash, passwordHash, ...account }: AccountRow): Account {
  return { ...account, hasApiKey: apiKeyHash !== null, hasPassword: passwordHash !== null };
}

/** Returns whether a username is valid. It must not contain a colon, which ends the username in HTTP Basic. */
export function isUsername(value: string): boolean {
  return /^[A-Za-z0-9._@+-]{1,64}$/.test(value);
}

/** Parses a username. @throws AppError BAD_USER_INPUT */
export function parseUsername(value: string): string {
  if (!isUsername(value)) {
    throw badInput(
      'username',
      `username must have 1 to 64 letters, digits or . _ @ + -, not ${quoteValue(value)}`,
    );
  }
  return value;
}

/** Parses a list of scopes and removes duplicates. @throws AppError BAD_USER_INPUT */
export function parseScopes(values: readonly string[]): Scope[] {
  const unknown = values.find((value) => !isScope(value));
  if (unknown !== undefined) {
    throw badInput(
      'scope',
      `There is no scope ${quoteValue(unknown)}; the scopes are ${allScopes.join(', ')}`,
    );
  }
  if (values.length === 0)
    throw badInput('scope', `An account needs at least one scope of ${allScopes.join(', ')}`);
  return [...new Set(values as Scope[])];
}

/** Parses CIDR blocks or single addresses. @throws AppError BAD_USER_INPUT */
export function parseNetworks(values: readonly string[]): string[] {
  return values.map((value) => {
    const network = parseCidr(value);
    if (network) return `${network.address}/${network.prefix}`;
    throw badInput(
      'network',
      `A network must be an address or a CIDR block such as 10.0.0.0/8, not ${quoteValue(value)}`,
    );
  });
}

/** Parses a password: 8 to 256 characters, not all of them white space. @throws AppError BAD_USER_INPUT */
export function parsePassword(value: string): string {
  if (value.length < minPasswordLength) {
    throw badInput('password', `A password must have at least ${minPasswordLength} characters`);
  }
  // Leading and trailing white space is part of the password.
  textParser({ min: 1, max: 256 })(value, 'password');
  return value;
}
const minPasswordLength = 8;

/** Parses the expiry of an account: a date, or a date and time with an offset. @throws AppError BAD_USER_INPUT */
export function parseExpiry(value: string, now = new Date()): Date {
  const [, day] = /^(\d{4}-\d\d-\d\d)(T.+(Z|[+-]\d\d:\d\d))?$/.exec(value) ?? [];
  // `Date` accepts February 31 as a day in March.
  const isDay = day !== undefined && new Date(`${day}T00:00Z`).toJSON()?.startsWith(day);
  const date = new Date(value);
  if (!isDay || !(date > now)) {
    throw badInput(
      'expires',
      `expires must be a future date, such as 2030-01-01 or 2030-01-01T12:00:00Z, not ${quoteValue(value)}`,
    );
  }
  return date;
}

/** Creates the error for an account that does not exist. */
export function accountNotFound(username: string): AppError {
  return new AppError('NOT_FOUND', `There is no account ${quoteValue(username)}`);
}
