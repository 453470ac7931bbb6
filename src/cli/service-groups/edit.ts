import { Command } from 'commander';
import { createCommandCall, runMutation } from '../command-context.ts';
import { addFieldOptions, readChanges, type FieldValues } from '../field-options.ts';
import { print } from '../output.ts';
import { readNumber } from '../read-values.ts';
import { serviceGroupOptions } from './service-group-options.ts';

/** `group-api service-groups edit`: changes fields of a service group. */
export function createEditCommand(): Command {
  const command = new Command('edit')
    .description('Change fields of a service group; options not given are left unchanged')
    .argument('<id>', 'service group id');
  return addFieldOptions(command, serviceGroupOptions, true)
    .option('--json', 'print JSON: the service group as the API returns it')
    .addHelpText(
      'after',
      `
Examples:
  group-api service-groups edit 1 --discount 20
  group-api service-groups edit 1 --name Families --no-language --json`,
    )
    .action(editServiceGroup);
}

async function editServiceGroup(
  idArgument: string,
  { json, ...values }: FieldValues & { json?: true },
): Promise<void> {
  const { parseServiceGroupChanges, parseServiceGroupId } =
    await import('../../service-groups/service-group.ts');
  const id = parseServiceGroupId(readNumber(idArgument));
  const input = readChanges(serviceGroupOptions, values);
  const changes = parseServiceGroupChanges(input);
  const call = createCommandCall('service-groups edit', [id]);
  const edited = await runMutation(call, ({ serviceGroups }) => serviceGroups.edit(id, changes, call));
  print(json, edited, `Changed service group ${id}: ${edited.name}`);
}
