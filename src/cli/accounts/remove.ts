import { Command } from 'commander';
import { adminUsername } from '../../accounts/account.ts';
import { createCommandCall, runMutation } from '../command-context.ts';
import { print } from '../output.ts';
import { confirm } from '../prompts.ts';

/** `group-api accounts remove`: removes an account. */
export function createRemoveCommand(): Command {
  return new Command('remove')
    .description('Remove an account permanently')
    .argument('<username>')
    .option('--yes', 'skip the confirmation')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExamples:\n  group-api accounts remove shop\n  group-api accounts remove shop --yes --json`,
    )
    .action(removeAccount);
}

async function removeAccount(username: string, { yes, json }: { yes?: true; json?: true }): Promise<void> {
  await confirm(`Remove the account ${username} permanently?`, yes, 'Nothing was removed');
  const call = createCommandCall('accounts remove', [username]);
  const account = await runMutation(call, ({ accounts }) => accounts.delete(username, call));
  const note = username === adminUsername ? '; it will be recreated when a server starts' : '';
  print(json, account, `Removed account ${username}${note}`);
}
