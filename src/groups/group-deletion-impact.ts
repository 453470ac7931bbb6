import type { SubscriberRepository } from '../subscribers/subscriber-repository.ts';
import { refusalOf } from './group-deletion.ts';
import type { Group } from './group.ts';
import type { GroupRepository } from './group-repository.ts';

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

/** Looks at what a delete would meet, without holding anything. @throws AppError NOT_FOUND as the delete would. */
export async function findDeletionImpact(
  id: number,
  { groups, subscribers }: { groups: GroupRepository; subscribers: SubscriberRepository },
): Promise<GroupDeletionImpact> {
  const group = await groups.group(id);
  const { active, pending, ended } = await subscribers.countSubscribers(id);
  const found = { version: group.version, subscriberCount: active };
  const blockers = [
    ...(group.protected ? [refusalOf('GROUP_PROTECTED', found)] : []),
    ...(active > 0 ? [refusalOf('HAS_ACTIVE_SUBSCRIBERS', found)] : []),
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
