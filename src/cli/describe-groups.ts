import type { Group } from '../groups/group.ts';
import type { ServiceGroup } from '../service-groups/service-group.ts';
import type { Repositories } from '../repositories.ts';

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
  { serviceGroups, subscribers }: Pick<Repositories, 'serviceGroups' | 'subscribers'>,
): Promise<GroupDescription[]> {
  const serviceGroupIds = [...new Set(groups.flatMap(({ serviceGroupId }) => serviceGroupId ?? []))];
  const rows = await serviceGroups.findByIds(serviceGroupIds);
  const serviceGroupsById = new Map(
    rows.flatMap((serviceGroup) => (serviceGroup ? [[serviceGroup.id, serviceGroup] as const] : [])),
  );
  const ids = groups.map(({ id }) => id);
  const counts = await subscribers.countActive(ids);
  return groups.map(({ serviceGroupId, details: _details, ...group }, index) => ({
    ...group,
    serviceGroup: serviceGroupsById.get(serviceGroupId ?? 0) ?? null,
    subscriberCount: counts[index]!,
  }));
}
