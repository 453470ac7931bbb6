import { Command } from 'commander';
import { createCommandCall, runMutation } from '../command-context.ts';
import { print } from '../output.ts';
import { confirm } from '../prompts.ts';
import { readNumber } from '../read-values.ts';
import { describeSubscriber } from './describe-subscriber.ts';

type RemoveOptions = { group?: string; yes?: true; json?: true };

/** `group-api subscribers remove`: ends the subscription of a username. */
export function createRemoveCommand(): Command {
  return new Command('remove')
    .description('End the subscription of a username now; it moves to the history')
    .argument('<username>')
    .option('--group <id>', 'the group of the subscription; required if the username is on several groups')
    .option('--yes', 'skip the confirmation')
    .option('--json', 'print JSON: the subscriber as the API returns it')
    .addHelpText(
      'after',
      `
Examples:
  group-api subscribers remove mina
  group-api subscribers remove mina --group 7 --yes --json`,
    )
    .action(removeSubscriber);
}

async function removeSubscriber(
  usernameArgument: string,
  { group: groupOption, yes, json }: RemoveOptions,
): Promise<void> {
  const { parseGroupId } = await import('../../groups/group.ts');
  const { parseStoredUsername } = await import('../../subscribers/subscriber.ts');
  const username = parseStoredUsername(usernameArgument);
  const groupId = groupOption === undefined ? null : parseGroupId(readNumber(groupOption), 'groupId');
  const place = groupId === null ? '' : ` to group ${groupId}`;
  await confirm(`End the subscription of ${username}${place}?`, yes, 'Nothing was removed');
  const call = createCommandCall('subscribers remove', groupId === null ? [] : [groupId]);
  const removed = await runMutation(call, ({ subscribers }) => subscribers.remove(username, groupId, call));
  print(json, await describeSubscriber(removed), `Removed ${removed.username} from group ${removed.groupId}`);
}
