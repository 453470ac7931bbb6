import { Command } from 'commander';
import { withDatabase } from '../command-context.ts';
import { formatFields, print } from '../output.ts';
import { readNumber } from '../read-values.ts';

/** `group-api service-groups show`: shows all fields of a service group. */
export function createShowCommand(): Command {
  return new Command('show')
    .description('Show all fields of a service group; `groups list --service-group <id>` lists its groups')
    .argument('<id>', 'service group id')
    .option('--json', 'print JSON: the service group as the API returns it')
    .addHelpText(
      'after',
      '\nExamples:\n  group-api service-groups show 1\n  group-api service-groups show 1 --json',
    )
    .action(showServiceGroup);
}

async function showServiceGroup(idArgument: string, { json }: { json?: true }): Promise<void> {
  const { parseServiceGroupId } = await import('../../service-groups/service-group.ts');
  const id = parseServiceGroupId(readNumber(idArgument));
  const serviceGroup = await withDatabase(({ serviceGroups }) => serviceGroups.get(id));
  print(json, serviceGroup, formatFields(Object.entries(serviceGroup)));
}
