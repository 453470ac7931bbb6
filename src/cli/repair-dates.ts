import { Command } from 'commander';
import { confirm } from './prompts.ts';
import { print } from './output.ts';
import { createCommandCall, auditedCommand, withDatabase } from './command-context.ts';

type RepairOptions = { zone: string; dryRun?: boolean; yes?: true; json?: true };

/** `group-api repair-dates`: corrects dates that earlier versions stored in a database whose time zone is not UTC. */
export function createRepairDatesCommand(): Command {
  return new Command('repair-dates')
    .description(
      'Correct dates that versions before 0.2 stored with a time zone offset; `doctor` reports if there are any',
    )
    .requiredOption('--zone <zone>', 'time zone of the database at that time, such as Asia/Tehran')
    .option('--dry-run', 'run and roll back')
    .option('--yes', 'skip the confirmation')
    .option('--json', 'print JSON: the number of changed rows of each table')
    .addHelpText(
      'after',
      `
Stop the servers and make a backup first. It works once only. Rows that the API of this version has written stay as they are; rows
that were imported are moved, which is right if their file came from a database in the same zone.

Examples:
  group-api repair-dates --zone Asia/Tehran --dry-run
  group-api repair-dates --zone Asia/Tehran --yes --json`,
    )
    .action(repair);
}

async function repair({ zone, dryRun: isDryRun = false, yes, json }: RepairOptions): Promise<void> {
  if (!isDryRun)
    await confirm(`Correct the dates of all rows that were stored in ${zone}?`, yes, 'Nothing was changed');
  const { repairDates, repairOperation } = await import('../doctor/repair-dates.ts');
  await withDatabase(async ({ mutations }) => {
    const call = createCommandCall(repairOperation, [], { isDryRun });
    const repaired = await auditedCommand(mutations, call, () => repairDates(mutations, zone, call));
    const { rows, deletedWithSubscribers } = repaired;
    const verb = isDryRun ? 'Would change' : 'Changed';
    const counts = `${rows.subscribers} subscribers, ${rows.subscriberHistory} rows of their history, ${rows.groups} groups, ${rows.deletedGroups} deleted groups and ${rows.accounts} accounts`;
    const wronglyDeleted = deletedWithSubscribers.map(
      ({ groupId, activeSubscribers }) =>
        `Group ${groupId} was deleted although it had ${activeSubscribers} active subscribers, which are in its history`,
    );
    print(
      json,
      { ...repaired, zone, isDryRun },
      [`${verb} the dates of ${counts}`, ...wronglyDeleted].join('\n'),
    );
  });
}
