import { Command } from 'commander';
import { AppError, OperatorError } from '../../errors.ts';
import type { Deletion } from '../../group-deletion/delete-group.ts';
import type { GroupDeletionImpact } from '../../group-deletion/deletion-impact.ts';
import type { DeletedGroup } from '../../groups/archive.ts';
import type { Group } from '../../groups/group.ts';
import { confirm } from '../prompts.ts';
import { formatCount, formatTable, print } from '../output.ts';
import { readNumber } from '../read-values.ts';
import { createCommandCall, auditedCommand, withDatabase, type CommandDatabase } from '../command-context.ts';
import { explainDeletionError } from './explain-deletion.ts';

type DeleteOptions = {
  reason?: string;
  moveSubscribersTo?: string;
  expectedVersion?: string;
  dryRun?: true;
  yes?: true;
  json?: true;
};

/** `group-api groups delete`: the same delete as in the API. */
export function createDeleteCommand(): Command {
  return new Command('delete')
    .description('Delete groups atomically. They can be restored for DELETED_GROUP_RETENTION_DAYS')
    .argument('<id...>', '1 to 1000 group ids')
    .option('--reason <text>', 'reason, stored in the archive and the audit log')
    .option('--move-subscribers-to <id>', 'move the active subscribers to this group; only for a single id')
    .option(
      '--expected-version <version>',
      'delete only if the group is at this version; only for a single id',
    )
    .option('--dry-run', 'run all checks without changing anything')
    .option('--yes', 'skip the confirmation')
    .option('--json', 'print JSON: the deleted groups, until when they can be restored, and subscribersMoved')
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

async function deleteGroups(idArguments: string[], options: DeleteOptions): Promise<void> {
  const { parseGroupIds } = await import('../../group-deletion/parse-group-ids.ts');
  const ids = parseGroupIds(idArguments.map(readNumber));
  const { parseDeletion } = await import('../../group-deletion/delete-group.ts');
  const { describeGroupResult } = await import('./describe-groups.ts');
  const deletion = parseDeletion({
    id: ids[0],
    reason: options.reason,
    moveSubscribersTo: readNumber(options.moveSubscribersTo),
    expectedVersion: readNumber(options.expectedVersion),
  });
  const { moveSubscribersTo: target, expectedVersion } = deletion;
  if (ids.length > 1 && (target !== null || expectedVersion !== null)) {
    const option = target === null ? '--expected-version' : '--move-subscribers-to';
    throw new OperatorError(
      `${option} requires a single id, not ${ids.length}: delete the groups one by one`,
    );
  }
  const isDryRun = options.dryRun ?? false;
  await withDatabase(async (database) => {
    if (!isDryRun && !options.yes) await confirmDeletion(ids, deletion, database);
    const [activeBefore] = target === null ? [0] : await database.subscribers.countActive([deletion.id]);
    const groups = await deleteAll(ids, deletion, isDryRun, database).catch(async (error: unknown) => {
      throw await explainDeletionError(error, ids, deletion, database);
    });
    const archived = isDryRun ? null : await findArchived(ids[0]!, database);
    const outcome = {
      restorableUntil: archived && archived.purgeAt,
      isDryRun,
      // The archive has the exact number; without it, the number was counted before the delete.
      subscribersMoved: archived?.subscribersMoved ?? activeBefore!,
    };
    const text = describeDeletion(groups, { ...outcome, target });
    print(options.json, { groups: groups.map(describeGroupResult), ...outcome }, text);
  });
}

async function deleteAll(
  ids: readonly number[],
  request: Deletion,
  isDryRun: boolean,
  { groupDeletion, mutations }: CommandDatabase,
): Promise<Group[]> {
  const { reason, moveSubscribersTo: target } = request;
  const targetIds = target === null ? ids : [...ids, target];
  const call = createCommandCall('groups delete', targetIds, { reason, isDryRun });
  return auditedCommand(mutations, call, async () =>
    ids.length === 1
      ? [await groupDeletion.deleteGroup(request, call)]
      : groupDeletion.deleteGroups(ids, reason, call),
  );
}

/**
 * Shows a preview of the delete, and asks for confirmation. @throws OperatorError if it is declined, or stdin is no
 * terminal.
 */
async function confirmDeletion(
  ids: readonly number[],
  { moveSubscribersTo: target }: Deletion,
  repositories: CommandDatabase,
): Promise<void> {
  if (process.stdin.isTTY) {
    const { findDeletionImpacts } = await import('../../group-deletion/deletion-impact.ts');
    const impacts = await findDeletionImpacts(ids, repositories);
    process.stderr.write(`${describeImpacts(ids, impacts, target !== null)}\n`);
  }
  const subject = ids.length === 1 ? `group ${ids[0]}` : `these ${ids.length} groups`;
  const moving = target === null ? '' : ` and move the active subscribers to group ${target}`;
  await confirm(`Delete ${subject}${moving}?`, undefined, 'Nothing was deleted');
}

/** With `isMoving`, the delete moves the active subscribers: they do not block it. */
function describeImpacts(
  ids: readonly number[],
  impacts: readonly (GroupDeletionImpact | null)[],
  isMoving: boolean,
): string {
  const rows = impacts.map((impact, index) => {
    if (!impact) return [String(ids[index]), '', '', '', '', 'Group not found'];
    const { group, activeSubscribers, pendingSubscribers, endedSubscribers, blockers } = impact;
    const counts = [activeSubscribers, pendingSubscribers, endedSubscribers].map(String);
    const remaining = blockers.filter(({ code }) => !(isMoving && code === 'HAS_ACTIVE_SUBSCRIBERS'));
    return [String(group.id), group.name, ...counts, remaining.map(({ message }) => message).join('; ')];
  });
  return formatTable(['ID', 'NAME', 'ACTIVE', 'PENDING', 'ENDED', 'BLOCKED BY'], rows);
}

/**
 * Returns a deleted group from the archive: the groups of a call have the same purge date. Returns null if the archive
 * is disabled, undefined if the database is unavailable: the groups are deleted nevertheless.
 */
async function findArchived(
  id: number,
  { deletedGroups }: CommandDatabase,
): Promise<DeletedGroup | null | undefined> {
  try {
    return await deletedGroups.get(id);
  } catch (error) {
    if (error instanceof AppError && error.code === 'NOT_FOUND') return null;
    if (error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE') return undefined;
    throw error;
  }
}

type Outcome = {
  readonly restorableUntil: Date | null | undefined;
  readonly isDryRun: boolean;
  readonly subscribersMoved: number;
  /** The group to which the subscribers were moved. */
  readonly target: number | null;
};

function describeDeletion(
  groups: readonly Group[],
  { restorableUntil, isDryRun, subscribersMoved, target }: Outcome,
): string {
  const verb = isDryRun ? 'Would delete' : 'Deleted';
  const count = formatCount(subscribersMoved, 'subscriber');
  const moved = target === null ? '' : `; ${count} ${isDryRun ? 'would be ' : ''}moved to group ${target}`;
  const lines = groups.map(({ id, name }) => `${verb} group ${id}: ${name}${moved}`);
  if (isDryRun || restorableUntil === undefined) return lines.join('\n');
  const ids = groups.map(({ id }) => id).join(' ');
  const option = subscribersMoved > 0 ? ' --move-subscribers-back' : '';
  const restore = restorableUntil
    ? `To restore until ${restorableUntil.toISOString()}: group-api groups restore ${ids}${option}`
    : 'The archive is disabled (DELETED_GROUP_RETENTION_DAYS=0): the delete cannot be undone';
  return [...lines, restore].join('\n');
}
