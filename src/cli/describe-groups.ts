import type { MutationRunner } from '../mutations/mutation-runner.ts';
import type { Database } from '../database/database.ts';
import type { Group } from '../groups/group.ts';
import type { ServiceGroup } from '../service-groups/service-group.ts';
import { createServiceGroupRepository } from '../service-groups/service-group-repository.ts';
import { createSubscriberRepository } from '../subscribers/subscriber-repository.ts';

/** A group with all fields of the API's `Group` except its list of subscribers. */
export type GroupDescription = Omit<Group, 'serviceGroupId' | 'details'> & {
  readonly serviceGroup: ServiceGroup | null;
  readonly subscriberCount: number;
};

/** Describes a deleted group by the result of the delete, since the group can no longer be queried. */
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

/** Describes groups as the API does, with one query for all service groups and one for all counts. */
export async function describeGroups(
  groups: readonly Group[],
  { prisma, mutations }: { prisma: Database['prisma']; mutations: MutationRunner },
): Promise<GroupDescription[]> {
  const serviceGroupIds = [...new Set(groups.flatMap(({ serviceGroupId }) => serviceGroupId ?? []))];
  const serviceGroups = await createServiceGroupRepository(prisma, mutations).findByIds(serviceGroupIds);
  const serviceGroupsById = new Map(
    serviceGroups.flatMap((serviceGroup) => (serviceGroup ? [[serviceGroup.id, serviceGroup] as const] : [])),
  );
  const ids = groups.map(({ id }) => id);
  const counts = await createSubscriberRepository(prisma, mutations).countActive(ids);
  return groups.map(({ serviceGroupId, details: _details, ...group }, index) => ({
    ...group,
    serviceGroup: serviceGroupsById.get(serviceGroupId ?? 0) ?? null,
    subscriberCount: counts[index]!,
  }));
}
