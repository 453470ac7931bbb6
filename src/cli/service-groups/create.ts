import { Command } from 'commander';
import { createCommandCall, runMutation } from '../command-context.ts';
import { addFieldOptions, readFields, type FieldValues } from '../field-options.ts';
import { print } from '../output.ts';
import { serviceGroupOptions } from './service-group-options.ts';

/** `group-api service-groups create`: creates a service group. */
export function createCreateCommand(): Command {
  const command = new Command('create').description('Create a service group. --name is required');
  return addFieldOptions(command, serviceGroupOptions)
    .option('--json', 'print JSON: the service group as the API returns it')
    .addHelpText(
      'after',
      `
Examples:
  group-api service-groups create --name Family
  group-api service-groups create --name Family --discount 12.5 --language fa --json`,
    )
    .action(createServiceGroup);
}

async function createServiceGroup({ json, ...values }: FieldValues & { json?: true }): Promise<void> {
  const { parseNewServiceGroup } = await import('../../service-groups/service-group.ts');
  const input = readFields(serviceGroupOptions, values);
  const serviceGroup = parseNewServiceGroup(input);
  const call = createCommandCall('service-groups create', []);
  const created = await runMutation(call, ({ serviceGroups }) => serviceGroups.create(serviceGroup, call));
  print(json, created, `Created service group ${created.id}: ${created.name}`);
}
