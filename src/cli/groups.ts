import { Command } from 'commander';
import { createDeleteCommand } from './groups-delete.ts';
import { createExportCommand } from './groups-export.ts';
import { createImportCommand } from './groups-import.ts';
import { createListCommand } from './groups-list.ts';

/** `group-api groups …`: manages the subscription plans. */
export function createGroupsCommand(): Command {
  return new Command('groups')
    .description('List, delete, export and import groups')
    .addCommand(createListCommand())
    .addCommand(createDeleteCommand())
    .addCommand(createExportCommand())
    .addCommand(createImportCommand())
    .addHelpText('after', '\nExample:\n  group-api groups list --text month');
}
