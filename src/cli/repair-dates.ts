import { Command } from 'commander';
import { repairDates, repairOperation } from '../doctor/repair-dates.ts';
import { OperatorError } from '../errors.ts';
import { ask } from './prompts.ts';
import { print } from './output.ts';
import { createCommandCall, recorded, withDatabase } from './command-context.ts';

type RepairOptions = { zone: string; dryRun?: boolean; yes?: true; json?: true };

/** `group-api repair-dates`: the dates that earlier versions wrote in a database whose time zone is not UTC. */
export function createRepairDatesCommand(): Command {
  return new Command('repair-dates')
    .description(
      'Move dates that versions before 0.2 stored with the offset of a time zone; doctor says whether',
    )
    .requiredOption('--zone <zone>', 'the time zone that the database had then, such as Asia/Tehran')
    .option('--dry-run', 'execute it, then undo it')
    .option('--yes', 'do not ask')
    .option('--json', 'print JSON: how many rows of each table were changed')
    .addHelpText(
      'after',
      `
Stop the servers and make a backup first. Rows that this version has written stay as they are, and it works once only.

Examples:
  group-api repair-dates --zone Asia/Tehran --dry-run
  group-api repair-dates --zone Asia/Tehran --yes --json`,
    )
    .action(repair);
}

async function repair({ zone, dryRun: isDryRun = false, yes, json }: RepairOptions): Promise<void> {
  if (!isDryRun && !yes) {
    const answer = await ask(
      `Move the dates of all rows that were written in ${zone}? (yes/no) `,
      'add --yes',
    );
    if (answer !== 'yes') throw new OperatorError('Nothing was changed');
  }
  await withDatabase(async ({ recorder }) => {
    const call = createCommandCall(repairOperation, [], { isDryRun });
    const repaired = await recorded(recorder, call, () => repairDates(recorder, zone, call));
    const { rows, deletedWithSubscribers } = repaired;
    const verb = isDryRun ? 'Would change' : 'Changed';
    const counts = `${rows.subscribers} subscribers, ${rows.subscriberHistory} rows of their history, ${rows.groups} groups, ${rows.deletedGroups} deleted groups and ${rows.accounts} accounts`;
    const stranded = deletedWithSubscribers.map(
      ({ groupId, activeSubscribers }) =>
        `Group ${groupId} was deleted although it had active subscribers: ${activeSubscribers}, who are in its history`,
    );
    print(json, { ...repaired, zone, isDryRun }, [`${verb} the dates of ${counts}`, ...stranded].join('\n'));
  });
}
