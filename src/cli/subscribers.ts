import { Command } from 'commander';
import { createAddCommand } from './subscribers/add.ts';
import { createEraseCommand } from './subscribers/erase.ts';
import { createListCommand } from './subscribers/list.ts';
import { createMoveCommand } from './subscribers/move.ts';
import { createRemoveCommand } from './subscribers/remove.ts';

/** `group-api subscribers …`: manages the subscriptions of usernames to groups. */
export function createSubscribersCommand(): Command {
  return new Command('subscribers')
    .description('List, add, remove, move and erase the subscribers of groups')
    .addCommand(createListCommand())
    .addCommand(createAddCommand())
    .addCommand(createRemoveCommand())
    .addCommand(createMoveCommand())
    .addCommand(createEraseCommand())
    .addHelpText('after', '\nExample:\n  group-api subscribers list 7');
}
