import { Command } from 'commander';
import { OperatorError } from '../../errors.ts';
import { auditedCommand, createCommandCall, withDatabase } from '../command-context.ts';
import { print } from '../output.ts';
import { confirm } from '../prompts.ts';

type EraseOptions = { dryRun?: boolean; yes?: true; json?: true };

/** `group-api subscribers erase`: replaces a username by a pseudonym wherever it is stored. */
export function createEraseCommand(): Command {
  return new Command('erase')
    .description('Replace a username without active subscriptions by a pseudonym, permanently')
    .argument('<username>')
    .option('--dry-run', 'run and roll back')
    .option('--yes', 'skip the confirmation')
    .option('--json', 'print JSON: the pseudonym and the number of changed rows of each kind')
    .addHelpText(
      'after',
      `
Changes ended subscriptions, the history, the archive, stored responses and the audit log, in which the erasure has an
event without the username. Requires the owner of the tables as the user of DATABASE_URL: the server's role cannot
change the audit log. Reads all audit events, while servers continue to serve requests. Exports, backups and logs
still contain the username.

Examples:
  group-api subscribers erase mina --dry-run
  DATABASE_URL=postgresql://owner@db/groups group-api subscribers erase mina --yes --json`,
    )
    .action(erase);
}

async function erase(
  usernameArgument: string,
  { dryRun: isDryRun = false, yes, json }: EraseOptions,
): Promise<void> {
  const { parseStoredUsername } = await import('../../subscribers/subscriber.ts');
  const username = parseStoredUsername(usernameArgument);
  if (!isDryRun)
    await confirm(`Erase ${username}? It cannot be undone, also by group-api.`, yes, 'Nothing was erased');
  // The audit log must not have the username, also if the call is rejected.
  const call = createCommandCall('subscribers erase', [], { isDryRun });
  const { ownsTable } = await import('../../jobs/month-partitions.ts');
  const erasure = await withDatabase(async ({ prisma, mutations, subscribers }) => {
    if (!(await ownsTable(prisma, 'audit_events'))) {
      throw new OperatorError(
        'The user of DATABASE_URL does not own audit_events, which the erasure changes: run this command with the URL of the owner',
      );
    }
    return auditedCommand(mutations, call, () => subscribers.erase(username, call));
  });
  const { pseudonym, ...counts } = erasure;
  const text =
    `${isDryRun ? 'Would replace' : 'Replaced'} ${username} by ${pseudonym} in ${counts.endedSubscriptions} ended ` +
    `subscriptions, ${counts.subscriberHistory} rows of the history, ${counts.movedSubscribers} moved subscribers, ` +
    `${counts.deletedGroups} reasons of deleted groups, ${counts.retiredGroups} reasons of retirements, ` +
    `${counts.storedResponses} stored responses, ${counts.webhookDeliveries} deliveries of webhooks, ` +
    `${counts.radiusDeliveries} requests to RADIUS sessions and ${counts.auditEvents} audit events`;
  print(json, { ...erasure, isDryRun }, text);
}
