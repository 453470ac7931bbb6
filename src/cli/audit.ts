import { Command } from 'commander';
import { createListCommand } from './audit/list.ts';

/** `group-api audit …`: reads the audit log. */
export function createAuditCommand(): Command {
  return new Command('audit')
    .description(
      'Read the audit log: one event for every call of a mutation and for every command that changes data',
    )
    .addCommand(createListCommand())
    .addHelpText('after', '\nExample:\n  group-api audit list --group 7');
}
