import type { MutationRunner } from '../mutations/mutation-runner.ts';
import type { Database } from '../database/database.ts';
import type { Group } from '../groups/group.ts';
import type { ServiceGroup } from '../service-groups/service-group.ts';
import { createServiceGroupRepository } from '../service-groups/service-group-repository.ts';
import { createSubscriberRepository } from '../subscribers/subscriber-repository.ts';

/** A group with all fields of the API's `Group` but the list of its subscribers. */
export type GroupDescription = Omit<Group, 'serviceGroupId' | 'details'> & {
  readonly serviceGroup: ServiceGroup | null;
  readonly subscriberCount: number;
};

/** Describes a deleted group by what the delete returned. A query after it could fail for a group that is gone. */
export function describeDeletedGroup({
  serviceGroupId: _serviceGroupId,
  details,
  ...group
}: Group): GroupDescription {
  return {
    ...group,
    serviceGroup: details?.serviceGroup ?? null,
    subscriberCount: details?.subscriberCount ?? 0,
  };
}

/** Shows groups as the API does: one query for all service groups, one for all counts. */
export async function describeGroups(
  groups: readonly Group[],
  { prisma, mutations }: { prisma: Database['prisma']; mutations: MutationRunner },
): Promise<GroupDescription[]> {
  const familyIds = [...new Set(groups.flatMap(({ serviceGroupId }) => serviceGroupId ?? []))];
  const families = await createServiceGroupRepository(prisma, mutations).findByIds(familyIds);
  const byId = new Map(families.flatMap((each) => (each ? [[each.id, each] as const] : [])));
  const ids = groups.map(({ id }) => id);
  const counts = await createSubscriberRepository(prisma, mutations).countActive(ids);
  return groups.map(({ serviceGroupId, details: _details, ...group }, index) => ({
    ...group,
    serviceGroup: byId.get(serviceGroupId ?? 0) ?? null,
    subscriberCount: counts[index]!,
  }));
}
