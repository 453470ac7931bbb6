import type { SubscriberCounts, SubscriberRepository } from '../subscribers/subscriber-repository.ts';
import { deletionError } from './delete-group.ts';
import { GroupNotFoundError, type Group } from '../groups/group.ts';
import type { GroupRepository } from '../groups/group-repository.ts';

/** A preview of deleting a group now. */
export type GroupDeletionImpact = {
  readonly group: Group;
  readonly activeSubscribers: number;
  readonly pendingSubscribers: number;
  readonly endedSubscribers: number;
  readonly canDelete: boolean;
  /** The reasons why the delete would fail, in check order. */
  readonly blockers: { readonly code: string; readonly message: string }[];
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
  };
}
