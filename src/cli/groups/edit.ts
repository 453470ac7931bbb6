import { Command } from 'commander';
import { createCommandCall, runMutation } from '../command-context.ts';
import { addFieldOptions, readChanges, type FieldValues } from '../field-options.ts';
import { print } from '../output.ts';
import { readNumber } from '../read-values.ts';
import { groupOptions } from './group-options.ts';

/** `group-api groups edit`: changes fields of a group. */
export function createEditCommand(): Command {
  const command = new Command('edit')
    .description('Change fields of a group and increment its version; options not given are left unchanged')
    .argument('<id>', 'group id');
  return addFieldOptions(command, groupOptions, true)
    .option('--json', 'print JSON: the group as the API returns it')
    .addHelpText(
      'after',
      `
Examples:
  group-api groups edit 7 --price 12.50
  group-api groups edit 7 --protected false
  group-api groups edit 7 --name 'Gold, half a year' --duration 180 --no-ip --json`,
    )
    .action(editGroup);
}

async function editGroup(
  idArgument: string,
  { json, ...values }: FieldValues & { json?: true },
): Promise<void> {
  const { parseGroupChanges, parseGroupId } = await import('../../groups/group.ts');
  const { describeGroupResult } = await import('./describe-groups.ts');
  const id = parseGroupId(readNumber(idArgument));
  const input = readChanges(groupOptions, values);
  const changes = parseGroupChanges(input);
  const call = createCommandCall('groups edit', [id]);
  const group = await runMutation(call, ({ groups }) => groups.edit(id, changes, call));
  print(
    json,
    describeGroupResult(group),
    `Changed group ${id}: ${group.name}, now at version ${group.version}`,
  );
}
