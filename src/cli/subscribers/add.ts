import { Command } from 'commander';
import { createCommandCall, runMutation } from '../command-context.ts';
import { print } from '../output.ts';
import { readDate, readNumber } from '../read-values.ts';
import { describeSubscriber } from './describe-subscriber.ts';

type AddOptions = { startsAt?: string; expiresAt?: string; json?: true };

/** `group-api subscribers add`: subscribes a username to a group. */
export function createAddCommand(): Command {
  return new Command('add')
    .description('Subscribe a username to a group')
    .argument('<username>', '1 to 128 printable characters')
    .argument('<groupId>', 'group id')
    .option('--starts-at <date>', 'start, such as 2030-01-01 or 2030-01-01T12:00:00Z (default: now)')
    .option('--expires-at <date>', 'end; without it the subscription does not expire')
    .option('--json', 'print JSON: the subscriber as the API returns it')
    .addHelpText(
      'after',
      `
Examples:
  group-api subscribers add mina 7
  group-api subscribers add mina 7 --expires-at 2030-01-01 --json`,
    )
    .action(addSubscriber);
}

async function addSubscriber(username: string, groupIdArgument: string, options: AddOptions): Promise<void> {
  const { parseSubscription } = await import('../../subscribers/subscriber.ts');
  const subscription = parseSubscription({
    username,
    groupId: readNumber(groupIdArgument),
    startsAt: readDate(options.startsAt, '--starts-at') ?? null,
    expiresAt: readDate(options.expiresAt, '--expires-at') ?? null,
  });
  const call = createCommandCall('subscribers add', [subscription.groupId]);
  const added = await runMutation(call, ({ subscribers }) => subscribers.subscribe(subscription, call));
  const described = await describeSubscriber(added);
  const { groupId, status, startsAt, expiresAt } = described;
  const until = expiresAt === null ? 'without an end' : `until ${expiresAt.toISOString()}`;
  print(
    options.json,
    described,
    `Added ${added.username} to group ${groupId}: ${status}, from ${startsAt.toISOString()} ${until}`,
  );
}
