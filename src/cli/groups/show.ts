import { Command } from 'commander';
import type { GroupDeletionImpact } from '../../group-deletion/deletion-impact.ts';
import { withDatabase } from '../command-context.ts';
import { formatFields, print } from '../output.ts';
import { readNumber } from '../read-values.ts';
import { groupFields, type GroupDescription } from './describe-groups.ts';

/** `group-api groups show`: shows a group, its subscribers and what blocks a delete. */
export function createShowCommand(): Command {
  return new Command('show')
    .description('Show a group: all fields, the numbers of its subscribers, and what blocks a delete')
    .argument('<id>', 'group id')
    .option('--json', 'print JSON: the result of groupDeletionImpact, as the API returns it')
    .addHelpText(
      'after',
      `
Active subscribers are those whose subscription has not ended; pending ones, which have not started yet, are among them.

Examples:
  group-api groups show 7
  group-api groups show 7 --json`,
    )
    .action(showGroup);
}

async function showGroup(idArgument: string, { json: asJson }: { json?: true }): Promise<void> {
  const { parseGroupId } = await import('../../groups/group.ts');
  const { findDeletionImpact } = await import('../../group-deletion/deletion-impact.ts');
  const { describeGroups } = await import('./describe-groups.ts');
  const id = parseGroupId(readNumber(idArgument));
  await withDatabase(async (repositories) => {
    const impact = await findDeletionImpact(id, repositories);
    const [group] = await describeGroups([impact.group], repositories);
    print(asJson, { ...impact, group }, formatImpact(group!, impact));
  });
}

function formatImpact(group: GroupDescription, impact: GroupDeletionImpact): string {
  const { activeSubscribers, pendingSubscribers, endedSubscribers, blockers, retirement } = impact;
  return formatFields([
    ...groupFields(group).filter(([name]) => name !== 'subscriberCount'),
    ['activeSubscribers', activeSubscribers],
    ['pendingSubscribers', pendingSubscribers],
    ['endedSubscribers', endedSubscribers],
    ['blockers', blockers.length === 0 ? 'none' : blockers.map(({ message }) => message).join('\n')],
    ...(retirement ? retirementFields(retirement) : []),
  ]);
}

/** The fields of a planned delete. */
function retirementFields({
  retiredBy,
  moveSubscribersTo,
  problem,
}: NonNullable<GroupDeletionImpact['retirement']>): [string, unknown][] {
  const failure = problem && `${problem.message}; next attempt at ${problem.retryAt.toISOString()}`;
  return [
    ['retiredBy', retiredBy],
    ['moveSubscribersTo', moveSubscribersTo],
    ['retirementProblem', failure ?? 'none'],
  ];
}
