import { Command } from 'commander';
import { formatCount, print } from '../output.ts';
import { readNumber } from '../read-values.ts';
import { changeEach } from './change-each.ts';

/** `group-api groups restore`: restores deleted groups. */
export function createRestoreCommand(): Command {
  return new Command('restore')
    .description('Restore deleted groups with their ids and fields, one after the other')
    .argument('<id...>', '1 to 1000 ids of deleted groups')
    .option(
      '--move-subscribers-back',
      'also move the subscribers back that the delete moved to another group',
    )
    .option('--json', 'print JSON: the restored groups as the API returns them')
    .addHelpText(
      'after',
      `
A group comes back without its service group if that has been deleted too. A group that cannot be restored is reported; the others
are restored.

Examples:
  group-api groups restore 7
  group-api groups restore 7 --move-subscribers-back
  group-api groups restore 7 9 10 --json`,
    )
    .action(restoreGroups);
}

async function restoreGroups(
  idArguments: string[],
  { moveSubscribersBack = false, json }: { moveSubscribersBack?: boolean; json?: true },
): Promise<void> {
  const { parseGroupIds } = await import('../../group-deletion/parse-group-ids.ts');
  const { describeGroupResult } = await import('./describe-groups.ts');
  const ids = parseGroupIds(idArguments.map(readNumber));
  const { results, error } = await changeEach('groups restore', ids, (id, call, { groupRestoration }) =>
    groupRestoration.restoreGroup({ id, moveSubscribersBack }, call),
  );
  if (results.length > 0) {
    const lines = results.map(({ id, name, details }) => {
      // A deleted group has no subscribers: those that the restored one has came back.
      const count = formatCount(details?.subscriberCount ?? 0, 'subscriber');
      return `Restored group ${id}: ${name}${moveSubscribersBack ? `; ${count} moved back` : ''}`;
    });
    print(json, { groups: results.map(describeGroupResult) }, lines.join('\n'));
  }
  if (error !== undefined) throw error;
}
