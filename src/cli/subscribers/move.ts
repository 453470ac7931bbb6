import { Command } from 'commander';
import { auditedCommand, createCommandCall, withDatabase } from '../command-context.ts';
import { formatCount, print } from '../output.ts';
import { confirm } from '../prompts.ts';
import { readNumber } from '../read-values.ts';

type MoveOptions = { dryRun?: boolean; yes?: true; json?: true };

/** `group-api subscribers move`: moves all active subscribers of a group to another. */
export function createMoveCommand(): Command {
  return new Command('move')
    .description('Move all active subscribers of a group to another, all or none; their dates do not change')
    .argument('<from>', 'id of the source group')
    .argument('<to>', 'id of the target group')
    .option('--dry-run', 'run all checks without changing anything')
    .option('--yes', 'skip the confirmation')
    .option('--json', 'print JSON: both groups as the API returns them, movedCount and isDryRun')
    .addHelpText(
      'after',
      `
Examples:
  group-api subscribers move 7 8 --dry-run
  group-api subscribers move 7 8 --yes --json`,
    )
    .action(moveSubscribers);
}

async function moveSubscribers(
  fromArgument: string,
  toArgument: string,
  { dryRun: isDryRun = false, yes, json }: MoveOptions,
): Promise<void> {
  const { parseMove } = await import('../../subscribers/subscriber.ts');
  const { describeGroupResult } = await import('../groups/describe-groups.ts');
  const { from, to } = parseMove({
    fromGroupId: readNumber(fromArgument),
    toGroupId: readNumber(toArgument),
  });
  await withDatabase(async ({ mutations, subscribers }) => {
    if (!isDryRun && !yes) {
      const [count] = await subscribers.countActive([from]);
      const question = `Move ${formatCount(count!, 'active subscriber')} of group ${from} to group ${to}?`;
      await confirm(question, yes, 'Nothing was moved');
    }
    const call = createCommandCall('subscribers move', [from, to], { isDryRun });
    const moved = await auditedCommand(mutations, call, () => subscribers.moveAll(from, to, call));
    const result = {
      from: describeGroupResult(moved.from),
      to: describeGroupResult(moved.to),
      movedCount: moved.movedCount,
      isDryRun,
    };
    const verb = isDryRun ? 'Would move' : 'Moved';
    const groups = `from group ${from} (${moved.from.name}) to group ${to} (${moved.to.name})`;
    print(json, result, `${verb} ${formatCount(moved.movedCount, 'subscriber')} ${groups}`);
  });
}
