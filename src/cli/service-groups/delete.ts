import { Command } from 'commander';
import { AppError } from '../../errors.ts';
import { createCommandCall, runMutation } from '../command-context.ts';
import { print } from '../output.ts';
import { confirm } from '../prompts.ts';
import { readNumber } from '../read-values.ts';

type DeleteOptions = { yes?: true; json?: true };

/** `group-api service-groups delete`: deletes a service group without groups. */
export function createDeleteCommand(): Command {
  return new Command('delete')
    .description('Delete a service group permanently. It must have no groups')
    .argument('<id>', 'service group id')
    .option('--yes', 'skip the confirmation')
    .option('--json', 'print JSON: the deleted service group as the API returns it')
    .addHelpText(
      'after',
      '\nExamples:\n  group-api service-groups delete 3\n  group-api service-groups delete 3 --yes --json',
    )
    .action(deleteServiceGroup);
}

async function deleteServiceGroup(idArgument: string, { yes, json }: DeleteOptions): Promise<void> {
  const { parseServiceGroupId } = await import('../../service-groups/service-group.ts');
  const id = parseServiceGroupId(readNumber(idArgument));
  await confirm(`Delete the service group ${id} permanently?`, yes, 'Nothing was deleted');
  const call = createCommandCall('service-groups delete', [id]);
  const deleted = await runMutation(call, ({ serviceGroups }) => serviceGroups.delete(id, call)).catch(
    (error: unknown) => {
      throw error instanceof AppError && error.code === 'HAS_GROUPS' ? withHelp(error, id) : error;
    },
  );
  print(json, deleted, `Deleted service group ${id}: ${deleted.name}`);
}

/** Adds how to find the groups, and how to remove them from the service group. */
function withHelp({ code, message, details }: AppError, id: number): AppError {
  const help = `group-api groups list --service-group ${id}, and for each group: group-api groups edit <id> --no-service-group-id`;
  return new AppError(code, message, { ...details, help });
}
