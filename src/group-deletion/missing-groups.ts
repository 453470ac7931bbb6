import type { ArchivedDeletion, DeletedGroupRepository } from '../groups/archive.ts';
import { GroupNotFoundError } from '../groups/group.ts';
import { excerptOf } from '../validation/quote-value.ts';
import { BlockedDeletionError } from './deletion-errors.ts';

/**
 * Adds to an error about missing groups which of them were deleted, when and by whom, and until when they can be
 * restored: one query, for such errors only. Returns any other error unchanged, and every error if the query
 * fails. The message is for callers that may read deleted groups.
 */
export async function explainMissingGroups(
  error: unknown,
  deletedGroups: Pick<DeletedGroupRepository, 'findDeletions'>,
): Promise<unknown> {
  const missingIds = missingIdsOf(error);
  if (missingIds.length === 0) return error;
  const deletions = await deletedGroups.findDeletions(missingIds).catch(() => []);
  const explain = (id: number, argument?: string) => {
    const deletion = deletions.find((candidate) => candidate.id === id);
    return deletion && new GroupNotFoundError(id, argument, describeDeletion(deletion, argument));
  };
  if (error instanceof GroupNotFoundError) return explain(error.id, error.argument) ?? error;
  if (!(error instanceof BlockedDeletionError)) return error;
  const [first, ...others] = error.blockers.map((blocker) => ({
    ...blocker,
    message: (blocker.code === 'NOT_FOUND' && explain(blocker.id)?.message) || blocker.message,
  }));
  return new BlockedDeletionError([first!, ...others], error.groupCount);
}

function missingIdsOf(error: unknown): number[] {
  if (error instanceof GroupNotFoundError) return [error.id];
  if (!(error instanceof BlockedDeletionError)) return [];
  return error.blockers.filter(({ code }) => code === 'NOT_FOUND').map(({ id }) => id);
}

function describeDeletion(
  { id, deletedAt, deletedBy, purgeAt }: ArchivedDeletion,
  argument: string | undefined,
): string {
  const subject = argument === undefined ? `group ${id}` : `group ${id} (${argument})`;
  const deletion = `was deleted on ${deletedAt.toISOString()} by ${excerptOf(deletedBy)}`;
  return `${subject} ${deletion}. restoreGroup restores it until ${purgeAt.toISOString()}`;
}
