import type { Account } from '../../accounts/account.ts';
import { formatTable } from '../output.ts';

/** Formats accounts as a table. */
export function describeAccounts(accounts: readonly Account[]): string {
  return formatTable(['USERNAME', 'CREDENTIALS', 'SCOPES', 'NETWORKS', 'STATE'], accounts.map(toCells));
}

function toCells(account: Account): string[] {
  const { username, scopes, allowedNetworks, disabled, expiresAt } = account;
  const credentials = [account.hasApiKey && 'api-key', account.hasPassword && 'password'].filter(Boolean);
  const hasExpired = expiresAt !== null && expiresAt <= new Date();
  const expiry = expiresAt && `${hasExpired ? 'expired' : 'expires'} ${expiresAt.toISOString()}`;
  return [
    username,
    credentials.join(account.requiresBoth ? ' with ' : ' or '),
    scopes.join(','),
    allowedNetworks.join(',') || 'any',
    disabled ? 'disabled' : (expiry ?? 'enabled'),
  ];
}
