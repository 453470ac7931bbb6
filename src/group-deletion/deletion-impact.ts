import type { SubscriberCounts, SubscriberRepository } from '../subscribers/subscriber-repository.ts';
import { deletionError } from './deletion-errors.ts';
import { parseTimestamp } from '../database/row-json.ts';
import { GroupNotFoundError, type Group } from '../groups/group.ts';
import type { GroupRepository } from '../groups/group-repository.ts';
import type { Retirement, RetirementProblem } from '../groups/retirement.ts';

/** A preview of deleting a group now. */
export type GroupDeletionImpact = {
  readonly group: Group;
  readonly activeSubscribers: number;
  readonly pendingSubscribers: number;
  readonly endedSubscribers: number;
  readonly canDelete: boolean;
  /** The reasons why the delete would fail, in check order. */
  readonly blockers: { readonly code: string; readonly message: string }[];
  /** The planned delete of a retired group; null if the group is not retired. */
  readonly retirement: PlannedDeletion | null;
};

/** The planned delete of a retired group, without what the server stores for it only. */
type PlannedDeletion = Pick<Retirement, 'retiredBy' | 'moveSubscribersTo'> & {
  readonly retiresAt: Date;
  readonly problem: (Omit<RetirementProblem, 'retryAt'> & { readonly retryAt: Date }) | null;
};

type Repositories = { readonly groups: GroupRepository; readonly subscribers: SubscriberRepository };

/** Previews a delete without locking anything. @throws AppError NOT_FOUND as the delete would */
export async function findDeletionImpact(
  id: number,
  repositories: Repositories,
): Promise<GroupDeletionImpact> {
  const [impact] = await findDeletionImpacts([id], repositories);
  if (!impact) throw new GroupNotFoundError(id);
  return impact;
}

/** Previews the deletes of several groups, in the order of the ids; null if there is no group with the id. */
export async function findDeletionImpacts(
  ids: readonly number[],
  { groups, subscribers }: Repositories,
): Promise<(GroupDeletionImpact | null)[]> {
  const rows = await groups.findByIds(ids);
  const counts = await subscribers.countByState(ids);
  return rows.map((group, index) => group && toImpact(group, counts[index]!));
}

function toImpact(group: Group, { active, pending, ended }: SubscriberCounts): GroupDeletionImpact {
  const state = { version: group.version, subscriberCount: active };
  const deletion = { id: group.id, expectedVersion: null };
  const blockers = [
    ...(group.protected ? [deletionError('GROUP_PROTECTED', state, deletion)] : []),
    ...(active > 0 ? [deletionError('HAS_ACTIVE_SUBSCRIBERS', state, deletion)] : []),
  ];
  return {
    group,
    activeSubscribers: active,
    pendingSubscribers: pending,
    endedSubscribers: ended,
    canDelete: blockers.length === 0,
    // Plain objects: GraphQL would raise Error instances.
    blockers: blockers.map(({ code, message }) => ({ code, message })),
    retirement: toPlannedDeletion(group),
  };
}

function toPlannedDeletion({ retiresAt, retirement }: Group): PlannedDeletion | null {
  if (retiresAt === null || retirement === null) return null;
  const { retiredBy, moveSubscribersTo, problem } = retirement;
  return {
    retiresAt,
    retiredBy,
    moveSubscribersTo,
    problem: problem ? { ...problem, retryAt: parseTimestamp(problem.retryAt) } : null,
  };
}
