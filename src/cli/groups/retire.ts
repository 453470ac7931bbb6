import { Command } from 'commander';
import { createCommandCall, runMutation } from '../command-context.ts';
import { print } from '../output.ts';
import { readDate, readNumber } from '../read-values.ts';

type RetireOptions = {
  at?: string;
  moveSubscribersTo?: string;
  reason?: string;
  expectedVersion?: string;
  dryRun?: true;
  json?: true;
};

/** `group-api groups retire`: plans the delete of a group. */
export function createRetireCommand(): Command {
  return new Command('retire')
    .description(
      'Hide a group, accept no new subscribers, and have a server delete it once its last active subscriber has ended',
    )
    .argument('<id>', 'group id')
    .option('--at <date>', 'delete it from this date on (default: now)')
    .option('--move-subscribers-to <id>', 'at this date, move the active subscribers to this group')
    .option('--reason <text>', 'reason, stored in the audit log and with the delete')
    .option('--expected-version <version>', 'retire only if the group is at this version')
    .option('--dry-run', 'run all checks without changing anything')
    .option('--json', 'print JSON: the group as the API returns it')
    .addHelpText(
      'after',
      `
A running server deletes the group; groups show reports its planned delete, groups cancel-retirement cancels it. Repeat the
command to change the date, the target or the reason.

Examples:
  group-api groups retire 7
  group-api groups retire 7 --at 2030-01-01 --move-subscribers-to 8 --reason 'sold as 8 now'
  group-api groups retire 7 --at 2030-01-01T00:00:00+03:30 --dry-run --json`,
    )
    .action(retireGroup);
}

async function retireGroup(idArgument: string, { json, ...options }: RetireOptions): Promise<void> {
  const { parseRetirement } = await import('../../group-deletion/retire-group.ts');
  const { describeGroupResult } = await import('./describe-groups.ts');
  const request = parseRetirement({
    id: readNumber(idArgument),
    at: readDate(options.at, '--at'),
    moveSubscribersTo: readNumber(options.moveSubscribersTo),
    reason: options.reason,
    expectedVersion: readNumber(options.expectedVersion),
  });
  const { id, reason, moveSubscribersTo: target } = request;
  const isDryRun = options.dryRun ?? false;
  const targetIds = target === null ? [id] : [id, target];
  const call = createCommandCall('groups retire', targetIds, { reason, isDryRun });
  const group = await runMutation(call, ({ groupRetirement }) => groupRetirement.retireGroup(request, call));
  const verb = isDryRun ? 'Would retire' : 'Retired';
  const end =
    target === null ? 'its last active subscriber has ended' : `its subscribers are moved to group ${target}`;
  const text = `${verb} group ${id}: ${group.name}; deleted after ${group.retiresAt!.toISOString()}, once ${end}`;
  print(json, describeGroupResult(group), text);
}
