import { Command } from 'commander';
import { createAuditExportCommand } from './audit/export.ts';
import { createListCommand } from './audit/list.ts';

/** `group-api audit …`: reads and exports the audit log. */
export function createAuditCommand(): Command {
  return new Command('audit')
    .description(
      'Read and export the audit log: one event for every call of a mutation and for every command that changes data',
    )
    .addCommand(createListCommand())
    .addCommand(createAuditExportCommand())
    .addHelpText('after', '\nExample:\n  group-api audit list --group 7');
}
