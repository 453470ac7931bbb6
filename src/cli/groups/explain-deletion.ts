import { AppError } from '../../errors.ts';
import type { Deletion } from '../../group-deletion/delete-group.ts';
import type { GroupDeletionImpact } from '../../group-deletion/deletion-impact.ts';
import type { CommandDatabase } from '../command-context.ts';

/** Why a group cannot be deleted: its error code, and what would help. */
type Blocker = {
  readonly id: number;
  readonly name?: string;
  readonly code: string;
  readonly message: string;
  readonly help?: string;
};

const explainedCodes = ['GROUP_PROTECTED', 'HAS_ACTIVE_SUBSCRIBERS'];

/**
 * Adds to the error of a rejected delete every blocker of its groups as `blockers`: the name of the group, the number
 * of active subscribers and the command that would help; of a deleted group when and by whom it was deleted. Returns
 * other errors unchanged.
 */
export async function explainDeletionError(
  rejection: unknown,
  ids: readonly number[],
  { moveSubscribersTo }: Deletion,
  repositories: CommandDatabase,
): Promise<unknown> {
  const { explainMissingGroups } = await import('../../group-deletion/missing-groups.ts');
  const error = await explainMissingGroups(rejection, repositories.deletedGroups);
  if (!(error instanceof AppError)) return error;
  const reported = error.details['blockers'] as Blocker[] | undefined;
  if (!reported && !explainedCodes.includes(error.code)) return error;
  const { findDeletionImpacts } = await import('../../group-deletion/deletion-impact.ts');
  // The delete was rejected, whether or not the explanation can be read.
  const impacts = await findDeletionImpacts(ids, repositories).catch(() => undefined);
  if (!impacts) return error;
  const blockers = ids.flatMap((id, index) => {
    const own = impacts[index];
    const otherBlockers = reported?.filter(
      (blocker) => blocker.id === id && !explainedCodes.includes(blocker.code),
    );
    return [...(otherBlockers ?? []), ...(own ? blockersOf(own, moveSubscribersTo !== null) : [])];
  });
  return new AppError(error.code, error.message, { ...error.details, blockers });
}

function blockersOf(impact: GroupDeletionImpact, isMoving: boolean): Blocker[] {
  const { group, activeSubscribers, blockers } = impact;
  const { id, name } = group;
  return blockers
    .filter(({ code }) => !(isMoving && code === 'HAS_ACTIVE_SUBSCRIBERS'))
    .map(({ code, message }) =>
      code === 'GROUP_PROTECTED'
        ? { id, name, code, message, help: `group-api groups edit ${id} --protected false` }
        : {
            id,
            name,
            code,
            message,
            subscriberCount: activeSubscribers,
            help: `group-api groups delete ${id} --move-subscribers-to <id>`,
          },
    );
}
