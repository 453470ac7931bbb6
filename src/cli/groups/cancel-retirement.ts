import { Command } from 'commander';
import { createCommandCall, runMutation } from '../command-context.ts';
import { print } from '../output.ts';
import { readNumber } from '../read-values.ts';

/** `group-api groups cancel-retirement`: cancels the planned delete of a group. */
export function createCancelRetirementCommand(): Command {
  return new Command('cancel-retirement')
    .description('Cancel the planned delete of a retired group, and offer it as before')
    .argument('<id>', 'group id')
    .option('--json', 'print JSON: the group as the API returns it')
    .addHelpText(
      'after',
      `
Examples:
  group-api groups cancel-retirement 7
  group-api groups cancel-retirement 7 --json`,
    )
    .action(cancelRetirement);
}

async function cancelRetirement(idArgument: string, { json }: { json?: true }): Promise<void> {
  const { parseGroupId } = await import('../../groups/group.ts');
  const { describeGroupResult } = await import('./describe-groups.ts');
  const id = parseGroupId(readNumber(idArgument));
  const call = createCommandCall('groups cancel-retirement', [id]);
  const group = await runMutation(call, ({ groupRetirement }) => groupRetirement.cancelRetirement(id, call));
  const state = group.hidden ? 'hidden, as before' : 'offered again';
  print(json, describeGroupResult(group), `Cancelled the retirement of group ${id}: ${group.name}, ${state}`);
}
