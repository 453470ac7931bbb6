import { Command } from 'commander';
import { OperatorError } from '../errors.ts';
import { createCommandCall, withDatabase } from './command-context.ts';
import { print } from './output.ts';

/** `group-api partitions`: creates and drops partitions, as a server does that owns the tables. */
export function createPartitionsCommand(): Command {
  return new Command('partitions')
    .description(
      'Create the partitions of the coming months, and drop those that are older than the retention',
    )
    .option('--dry-run', 'print which partitions would be dropped; change nothing')
    .option('--json', 'print JSON: the number of created partitions, and the dropped ones')
    .addHelpText(
      'after',
      `
A server does this every minute if the user of its DATABASE_URL owns the tables. If not, run this command daily as the
owner: a role that could drop partitions could drop the audit log. The retention is that of AUDIT_RETENTION_DAYS and
SUBSCRIBER_HISTORY_RETENTION_DAYS.

Examples:
  group-api partitions --dry-run
  DATABASE_URL=postgresql://owner@db/groups AUDIT_RETENTION_DAYS=730 group-api partitions --json`,
    )
    .action(maintainPartitions);
}

async function maintainPartitions({
  dryRun: isDryRun = false,
  json,
}: {
  dryRun?: boolean;
  json?: true;
}): Promise<void> {
  const { createPartitions, dropPartitions, listExpiredPartitions, ownsTable, readRetentions } =
    await import('../jobs/month-partitions.ts');
  await withDatabase(async ({ prisma, config }) => {
    const retentions = readRetentions(config);
    const created = isDryRun ? 0 : await createPartitions(prisma);
    const dropped = [];
    for (const retention of retentions) {
      if (!isDryRun && !(await ownsTable(prisma, retention.table))) {
        throw new OperatorError(
          `The user of DATABASE_URL does not own ${retention.table}: run this command with the URL of the owner`,
        );
      }
      const expired = isDryRun
        ? await listExpiredPartitions(prisma, retention)
        : await dropPartitions(prisma, retention, createCommandCall('partitions', []));
      dropped.push(...expired);
    }
    const verb = isDryRun ? 'Would drop' : `Created ${created}, dropped`;
    const names = dropped.length === 0 ? 'none' : dropped.map(({ name }) => name).join(', ');
    print(json, { created, dropped, isDryRun }, `${verb}: ${names}`);
  });
}
