import { Command } from 'commander';
import { createCommandCall, runMutation } from '../command-context.ts';
import { addFieldOptions, readFields, type FieldValues } from '../field-options.ts';
import { print } from '../output.ts';
import { groupOptions } from './group-options.ts';

/** `group-api groups create`: creates a group. */
export function createCreateCommand(): Command {
  const command = new Command('create').description(
    'Create a group. --name, --tag-name, --duration and --price are required',
  );
  return addFieldOptions(command, groupOptions)
    .option('--json', 'print JSON: the group as the API returns it')
    .addHelpText(
      'after',
      `
Examples:
  group-api groups create --name Month --tag-name monthly --duration 30 --price 9.90
  group-api groups create --name Trial --tag-name trial --duration 7 --price 0 --hidden true --json`,
    )
    .action(createGroup);
}

async function createGroup({ json, ...values }: FieldValues & { json?: true }): Promise<void> {
  const { parseNewGroup } = await import('../../groups/group.ts');
  const { describeGroupResult } = await import('./describe-groups.ts');
  const group = parseNewGroup(readFields(groupOptions, values));
  const call = createCommandCall('groups create', []);
  const created = await runMutation(call, ({ groups }) => groups.create(group, call));
  print(json, describeGroupResult(created), `Created group ${created.id}: ${created.name}`);
}
