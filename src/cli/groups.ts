import { Command } from 'commander';
import { createCancelRetirementCommand } from './groups/cancel-retirement.ts';
import { createCreateCommand } from './groups/create.ts';
import { createDeleteCommand } from './groups/delete.ts';
import { createDeletedCommand } from './groups/deleted.ts';
import { createEditCommand } from './groups/edit.ts';
import { createExportCommand } from './groups/export.ts';
import { createImportCommand } from './groups/import.ts';
import { createImportRadiusCommand } from './groups/import-radius.ts';
import { createListCommand } from './groups/list.ts';
import { createPurgeCommand } from './groups/purge.ts';
import { createRestoreCommand } from './groups/restore.ts';
import { createRetireCommand } from './groups/retire.ts';
import { createShowCommand } from './groups/show.ts';

/** `group-api groups …`: manages the subscription plans. */
export function createGroupsCommand(): Command {
  return new Command('groups')
    .description('List, change, delete, retire, restore, export and import groups')
    .addCommand(createListCommand())
    .addCommand(createShowCommand())
    .addCommand(createCreateCommand())
    .addCommand(createEditCommand())
    .addCommand(createDeleteCommand())
    .addCommand(createDeletedCommand())
    .addCommand(createRestoreCommand())
    .addCommand(createPurgeCommand())
    .addCommand(createRetireCommand())
    .addCommand(createCancelRetirementCommand())
    .addCommand(createExportCommand())
    .addCommand(createImportCommand())
    .addCommand(createImportRadiusCommand())
    .addHelpText('after', '\nExample:\n  group-api groups list --text month');
}
