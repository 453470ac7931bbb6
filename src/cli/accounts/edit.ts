import { Command } from 'commander';
import { parseExpiry, parseNetworks, parseScopes } from '../../accounts/account.ts';
import type { AccountChanges } from '../../accounts/account-repository.ts';
import { OperatorError } from '../../errors.ts';
import { collectItems } from '../list-options.ts';
import { print } from '../output.ts';
import { changeAccount } from './change-account.ts';
import { describeAccounts } from './describe-accounts.ts';

type EditOptions = { scope: string[]; network: string[]; expires?: string; json?: true };

/** `group-api accounts edit`: changes scopes, networks or expiry of an account. */
export function createEditCommand(): Command {
  return new Command('edit')
    .description('Change an account; options not given are left unchanged')
    .argument('<username>')
    .option('--scope <scopes>', 'replace the scopes', collectItems, [])
    .option('--network <networks>', 'replace the allowed networks; "any" allows all', collectItems, [])
    .option('--expires <date>', 'expiry date, or "never"')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExamples:\n  group-api accounts edit shop --scope groups:read --network any\n  group-api accounts edit shop --expires 2030-01-01`,
    )
    .action(editAccount);
}

async function editAccount(username: string, options: EditOptions): Promise<void> {
  const { scope, network, expires, json } = options;
  const changes: AccountChanges = {
    ...(scope.length > 0 && { scopes: parseScopes(scope) }),
    ...(network.length > 0 && { allowedNetworks: network.join() === 'any' ? [] : parseNetworks(network) }),
    ...(expires !== undefined && { expiresAt: expires === 'never' ? null : parseExpiry(expires) }),
  };
  if (Object.keys(changes).length === 0) throw new OperatorError('Pass --scope, --network or --expires');
  await changeAccount('accounts edit', username, changes, (account) =>
    print(json, account, describeAccounts([account])),
  );
}
