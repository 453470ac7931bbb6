import { Command } from 'commander';
import { print } from '../output.ts';
import { changeAccount } from './change-account.ts';

/** `group-api accounts disable` and `enable`: whether an account may be used. */
export function createEnableCommand(
  name: 'disable' | 'enable',
  disabled: boolean,
  description: string,
): Command {
  return new Command(name)
    .description(description)
    .argument('<username>')
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExample:\n  group-api accounts ${name} shop`)
    .action(async (username: string, { json }: { json?: true }) => {
      await changeAccount(`accounts ${name}`, username, { disabled }, (account) =>
        print(json, account, `Account ${username} is ${name}d`),
      );
    });
}
