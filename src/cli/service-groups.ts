import { Command } from 'commander';
import { createCreateCommand } from './service-groups/create.ts';
import { createDeleteCommand } from './service-groups/delete.ts';
import { createEditCommand } from './service-groups/edit.ts';
import { createListCommand } from './service-groups/list.ts';
import { createShowCommand } from './service-groups/show.ts';

/** `group-api service-groups …`: manages the sets of related groups. */
export function createServiceGroupsCommand(): Command {
  return new Command('service-groups')
    .description('List, change and delete service groups, the sets of related groups')
    .addCommand(createListCommand())
    .addCommand(createShowCommand())
    .addCommand(createCreateCommand())
    .addCommand(createEditCommand())
    .addCommand(createDeleteCommand())
    .addHelpText('after', '\nExample:\n  group-api service-groups list');
}
