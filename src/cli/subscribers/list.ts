import { Command } from 'commander';
import { withDatabase } from '../command-context.ts';
import { addPageOptions, printPage, type PageOptions } from '../pages.ts';
import { readNumber } from '../read-values.ts';
import { describeSubscriber } from './describe-subscriber.ts';

/** `group-api subscribers list`: lists one page of a group's active subscribers. */
export function createListCommand(): Command {
  const command = new Command('list')
    .description('List the active subscribers of a group by username, a page at a time')
    .argument('<groupId>', 'group id');
  return addPageOptions(command, 'the subscribers')
    .addHelpText(
      'after',
      `
Active are subscriptions that have not ended, including those that have not started yet.

Examples:
  group-api subscribers list 7
  group-api subscribers list 7 --first 200 --json`,
    )
    .action((groupId: string, options: PageOptions) => listSubscribers(groupId, options, command));
}

async function listSubscribers(idArgument: string, options: PageOptions, command: Command): Promise<void> {
  const { parseGroupId } = await import('../../groups/group.ts');
  const { formatSubscriberCursor, parseSubscriberPage } = await import('../../subscribers/subscriber.ts');
  const groupId = parseGroupId(readNumber(idArgument), 'groupId');
  const page = parseSubscriberPage({
    first: readNumber(options.first),
    ...(options.after !== undefined && { after: options.after }),
  });
  await withDatabase(async ({ groups, subscribers }) => {
    await groups.get(groupId);
    const [rows] = await subscribers.listActive([{ groupId, ...page }]);
    const nodes = rows!.slice(0, page.first);
    const last = nodes.at(-1);
    const items = await Promise.all(nodes.map(describeSubscriber));
    await printPage(
      command,
      'subscribers',
      {
        items,
        hasNextPage: rows!.length > page.first,
        endCursor: last ? formatSubscriberCursor(last) : null,
        count: async () => ({
          totalCount: (await subscribers.countActive([groupId]))[0]!,
          totalCountIsExact: true,
        }),
      },
      ['USERNAME', 'STATUS', 'STARTS', 'EXPIRES'],
      items.map(({ username, status, startsAt, expiresAt }) => [
        username,
        status,
        startsAt.toISOString(),
        expiresAt?.toISOString() ?? 'never',
      ]),
    );
  });
}
