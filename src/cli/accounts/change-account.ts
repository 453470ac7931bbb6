import type { Account } from '../../accounts/account.ts';
import type { AccountChanges, AccountRepository } from '../../accounts/account-repository.ts';
import type { Config } from '../../config/settings.ts';
import { createCommandCall, withDatabase } from '../command-context.ts';

/** Opens the database for work on its accounts. */
export async function withAccounts<T>(
  work: (accounts: AccountRepository, config: Config) => Promise<T>,
): Promise<T> {
  return withDatabase(({ accounts, config }) => work(accounts, config));
}

/**
 * Changes an account, and calls `report` before the database is closed, which may fail: a key cannot be shown again.
 * `requirement` may reject the change by throwing.
 * @throws AppError as `AccountRepository.edit`
 */
export async function changeAccount(
  operation: string,
  username: string,
  changes: AccountChanges,
  report: (account: Account) => void,
  requirement?: (account: Account, config: Config) => void,
): Promise<void> {
  await withAccounts(async (accounts, config) => {
    const call = createCommandCall(operation, [username]);
    report(await accounts.edit(username, changes, call, (account) => requirement?.(account, config)));
  });
}
