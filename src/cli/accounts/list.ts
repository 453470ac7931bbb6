import { Command } from 'commander';
import { withDatabase } from '../command-context.ts';
import { print } from '../output.ts';
import { describeAccounts } from './describe-accounts.ts';

/** `group-api accounts list`: lists the accounts. */
export function createListCommand(): Command {
  return new Command('list')
    .description('List the accounts')
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExamples:\n  group-api accounts list\n  group-api accounts list --json`)
    .action(listAccounts);
}

async function listAccounts({ json }: { json?: true }): Promise<void> {
  const accounts = await withDatabase((database) => database.accounts.list());
  print(json, accounts, describeAccounts(accounts));
}
