import type { SubscriberCounts, SubscriberRepository } from '../subscribers/subscriber-repository.ts';
import { deletionError } from './delete-group.ts';
import { groupNotFound, type Group } from '../groups/group.ts';
import type { GroupRepository } from '../groups/group-repository.ts';

/** What a delete of a group would meet at this moment. */
export type GroupDeletionImpact = {
  readonly group: Group;
  readonly activeSubscribers: number;
  readonly pendingSubscribers: number;
  readonly endedSubscribers: number;
  readonly canDelete: boolean;
  /** The refusals that the delete would get, in the order in which it would meet them. */
  readonly blockers: { readonly code: string; readonly message: string }[];
};

type Repositories = { readonly groups: GroupRepository; readonly subscribers: SubscriberRepository };

/** Looks at what a delete would meet, without holding anything. @throws AppError NOT_FOUND as the delete would. */
export async function findDeletionImpact(
  id: number,
  repositories: Repositories,
): Promise<GroupDeletionImpact> {
  const [impact] = await findDeletionImpacts([id], repositories);
  if (!impact) throw groupNotFound();
  return impact;
}

/** The same for several groups, in the order of the ids; null where there is none. */
export async function findDeletionImpacts(
  ids: readonly number[],
  { groups, subscribers }: Repositories,
): Promise<(GroupDeletionImpact | null)[]> {
  const found = await groups.groupsById(ids);
  const counts = await subscribers.countSubscribers(ids);
  return found.map((group, index) => group && describeImpact(group, counts[index]!));
}

function describeImpact(group: Group, { active, pending, ended }: SubscriberCounts): GroupDeletionImpact {
  const refused = { version: group.version, subscriberCount: active };
  const blockers = [
    ...(group.protected ? [deletionError('GROUP_PROTECTED', refused)] : []),
    ...(active > 0 ? [deletionError('HAS_ACTIVE_SUBSCRIBERS', refused)] : []),
  ];
  return {
    group,
    activeSubscribers: active,
    pendingSubscribers: pending,
    endedSubscribers: ended,
    canDelete: blockers.length === 0,
    // Not the errors themselves, which GraphQL would raise.
    blockers: blockers.map(({ code, message }) => ({ code, message })),
  };
}
