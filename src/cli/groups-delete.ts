import { Command } from 'commander';
import { AppError, OperatorError } from '../errors.ts';
import { createDeletedGroupRepository } from '../groups/archive.ts';
import { parseDeletion, parseDeletionIds } from '../group-deletion/delete-input.ts';
import { createGroupDeletion, type Deletion } from '../group-deletion/delete-group.ts';
import { findDeletionImpacts, type GroupDeletionImpact } from '../group-deletion/deletion-impact.ts';
import type { Group } from '../groups/group.ts';
import { createGroupRepository } from '../groups/group-repository.ts';
import { createSubscriberRepository } from '../subscribers/subscriber-repository.ts';
import { ask } from './prompts.ts';
import { describeDeletedGroup } from './describe-groups.ts';
import { formatTable, print } from './output.ts';
import { readNumber } from './read-number.ts';
import { createCommandCall, recorded, withDatabase, type CommandDatabase } from './command-context.ts';

type DeleteOptions = {
  reason?: string;
  moveSubscribersTo?: string;
  dryRun?: true;
  yes?: true;
  json?: true;
};

/** `group-api groups delete`: the same delete as that of the API. */
export function createDeleteCommand(): Command {
  return new Command('delete')
    .description('Delete groups, all of them or none. They can be restored for DELETED_GROUP_RETENTION_DAYS')
    .argument('<id...>', '1 to 1000 ids of groups')
    .option('--reason <text>', 'why, for the archive and the audit')
    .option('--move-subscribers-to <id>', 'move the active subscribers to this group; for one id')
    .option('--dry-run', 'do it all, and take it back')
    .option('--yes', 'do not ask')
    .option('--json', 'print JSON: the groups that were deleted, and until when they can be restored')
    .addHelpText(
      'after',
      `
Examples:
  group-api groups delete 7
  group-api groups delete 7 --move-subscribers-to 8 --reason 'sold as 8 now'
  group-api groups delete 7 9 10 --yes --json`,
    )
    .action(deleteGroups);
}

async function deleteGroups(givenIds: string[], options: DeleteOptions): Promise<void> {
  const ids = parseDeletionIds(givenIds.map(readNumber));
  const deletion = parseDeletion({
    id: ids[0],
    reason: options.reason,
    moveSubscribersTo: readNumber(options.moveSubscribersTo),
  });
  if (ids.length > 1 && deletion.moveSubscribersTo !== null) {
    throw new OperatorError(
      `--move-subscribers-to is for one id, not for ${ids.length}: delete them one by one`,
    );
  }
  const isDryRun = options.dryRun ?? false;
  await withDatabase(async (database) => {
    if (!isDryRun && !options.yes) await confirm(ids, deletion, database);
    const groups = await deleteAll(ids, deletion, isDryRun, database);
    const restorableUntil = isDryRun ? null : await findPurgeDate(ids[0]!, database);
    const described = groups.map(describeDeletedGroup);
    const text = describeDeletion(groups, restorableUntil, isDryRun);
    print(options.json, { groups: described, restorableUntil, isDryRun }, text);
  });
}

async function deleteAll(
  ids: readonly number[],
  what: Deletion,
  isDryRun: boolean,
  { prisma, recorder, config }: CommandDatabase,
): Promise<Group[]> {
  const deletion = createGroupDeletion(prisma, recorder, config.DELETED_GROUP_RETENTION_DAYS);
  const { reason, moveSubscribersTo: target } = what;
  const targetIds = target === null ? ids : [...ids, target];
  const call = createCommandCall('groups delete', targetIds, { reason, isDryRun });
  return recorded(recorder, call, async () =>
    ids.length === 1 ? [await deletion.deleteGroup(what, call)] : deletion.deleteGroups(ids, reason, call),
  );
}

/** Shows what the delete would meet, and asks. @throws OperatorError where the answer is not yes, or there is no terminal. */
async function confirm(
  ids: readonly number[],
  { moveSubscribersTo: target }: Deletion,
  { prisma, recorder }: CommandDatabase,
): Promise<void> {
  if (process.stdin.isTTY) {
    const impacts = await findDeletionImpacts(ids, {
      groups: createGroupRepository(prisma, recorder),
      subscribers: createSubscriberRepository(prisma, recorder),
    });
    process.stderr.write(`${describeImpacts(ids, impacts)}\n`);
  }
  const what = ids.length === 1 ? `group ${ids[0]}` : `these ${ids.length} groups`;
  const moving = target === null ? '' : ` and move the active subscribers to group ${target}`;
  if ((await ask(`Delete ${what}${moving}? (yes/no) `, 'add --yes')) !== 'yes') {
    throw new OperatorError('Nothing was deleted');
  }
}

function describeImpacts(ids: readonly number[], impacts: readonly (GroupDeletionImpact | null)[]): string {
  const rows = impacts.map((impact, index) => {
    if (!impact) return [String(ids[index]), '', '', '', '', 'Group not found'];
    const { group, activeSubscribers, pendingSubscribers, endedSubscribers, blockers } = impact;
    const counts = [activeSubscribers, pendingSubscribers, endedSubscribers].map(String);
    return [String(group.id), group.name, ...counts, blockers.map(({ message }) => message).join('; ')];
  });
  return formatTable(['ID', 'NAME', 'ACTIVE', 'PENDING', 'ENDED', 'IN THE WAY'], rows);
}

/**
 * Returns when the archive purges a group, which is the same for all groups of a call; null if no archive is kept, undefined
 * if it cannot be looked up: the groups are deleted all the same.
 */
async function findPurgeDate(
  id: number,
  { prisma, recorder }: CommandDatabase,
): Promise<Date | null | undefined> {
  try {
    return (await createDeletedGroupRepository(prisma, recorder).deletedGroup(id)).purgeAt;
  } catch (error) {
    if (error instanceof AppError && error.code === 'NOT_FOUND') return null;
    if (error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE') return undefined;
    throw error;
  }
}

function describeDeletion(
  groups: readonly Group[],
  restorableUntil: Date | null | undefined,
  isDryRun: boolean,
): string {
  const verb = isDryRun ? 'Would delete' : 'Deleted';
  const lines = groups.map(({ id, name }) => `${verb} group ${id}: ${name}`);
  if (isDryRun || restorableUntil === undefined) return lines.join('\n');
  const restore = restorableUntil
    ? `restoreGroup brings it back until ${restorableUntil.toISOString()}`
    : 'No archive is kept: what was deleted cannot be restored';
  return [...lines, restore].join('\n');
}
