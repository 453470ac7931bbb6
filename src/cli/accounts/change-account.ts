import type { Account } from '../../accounts/account.ts';
import type { AccountChanges } from '../../accounts/account-repository.ts';
import type { Config } from '../../config/settings.ts';
import { createCommandCall, runMutation } from '../command-context.ts';

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
  const call = createCommandCall(operation, [username]);
  await runMutation(call, async ({ accounts, config }) => {
    report(await accounts.edit(username, changes, call, (account) => requirement?.(account, config)));
  });
}
