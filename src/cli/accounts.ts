import { Command } from 'commander';
import { createCreateCommand } from './accounts/create.ts';
import { createEditCommand } from './accounts/edit.ts';
import { createEnableCommand } from './accounts/enable.ts';
import { createListCommand } from './accounts/list.ts';
import { createRemoveCommand } from './accounts/remove.ts';
import { createRotateCommand } from './accounts/rotate.ts';

/** `group-api accounts …`: manages the accounts that may call the API. */
export function createAccountsCommand(): Command {
  return new Command('accounts')
    .description('Manage the accounts that may call the API, and their credentials')
    .addCommand(createCreateCommand())
    .addCommand(createListCommand())
    .addCommand(createEditCommand())
    .addCommand(createRotateCommand())
    .addCommand(createEnableCommand('disable', true, 'Disable an account on every server'))
    .addCommand(createEnableCommand('enable', false, 'Enable a disabled account'))
    .addCommand(createRemoveCommand())
    .addHelpText('after', '\nExample:\n  group-api accounts create shop --scope groups:read,groups:delete');
}
