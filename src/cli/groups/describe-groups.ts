import type { DeletedGroup } from '../../groups/archive.ts';
import type { Group } from '../../groups/group.ts';
import type { RadiusAttribute } from '../../groups/radius-attribute-statements.ts';
import type { ServiceGroup } from '../../service-groups/service-group.ts';
import type { Repositories } from '../../repositories.ts';
import { groupOptions } from './group-options.ts';

/** A group with all fields of the API's `Group` except its list of subscribers. */
export type GroupDescription = Omit<Group, 'serviceGroupId' | 'details' | 'retirement'> & {
  readonly isRetired: boolean;
  readonly serviceGroup: ServiceGroup | null;
  readonly subscriberCount: number;
  readonly radiusAttributes: readonly RadiusAttribute[];
};

/** A deleted group with all fields of the API's `DeletedGroup`. */
export type DeletedGroupDescription = Omit<DeletedGroup, 'group'> & { readonly group: GroupDescription };

type DetailRepositories = Pick<Repositories, 'groups' | 'serviceGroups' | 'subscribers'>;

/** Describes a group that a mutation returned by the details that its transaction read. */
export function describeGroupResult({
  serviceGroupId: _serviceGroupId,
  retirement: _retirement,
  details,
  ...group
}: Group): GroupDescription {
  return {
    ...group,
    isRetired: group.retiresAt !== null,
    serviceGroup: details?.serviceGroup ?? null,
    subscriberCount: details?.subscriberCount ?? 0,
    radiusAttributes: details?.radiusAttributes ?? [],
  };
}

/** Describes groups as the API does, with one query each for service groups, counts and RADIUS attributes. */
export async function describeGroups(
  groups: readonly Group[],
  { groups: repository, serviceGroups, subscribers }: DetailRepositories,
): Promise<GroupDescription[]> {
  const serviceGroupIds = [...new Set(groups.flatMap(({ serviceGroupId }) => serviceGroupId ?? []))];
  const rows = await serviceGroups.findByIds(serviceGroupIds);
  const serviceGroupsById = new Map(
    rows.flatMap((serviceGroup) => (serviceGroup ? [[serviceGroup.id, serviceGroup] as const] : [])),
  );
  const ids = groups.map(({ id }) => id);
  const counts = await subscribers.countActive(ids);
  const radiusAttributes = await repository.radiusAttributes(groups);
  return groups.map(({ serviceGroupId, retirement: _retirement, details: _details, ...group }, index) => ({
    ...group,
    isRetired: group.retiresAt !== null,
    serviceGroup: serviceGroupsById.get(serviceGroupId ?? 0) ?? null,
    subscriberCount: counts[index]!,
    radiusAttributes: radiusAttributes[index]!,
  }));
}

/** Describes deleted groups as the API does. */
export async function describeDeletedGroups(
  deleted: readonly DeletedGroup[],
  repositories: DetailRepositories & Pick<Repositories, 'deletedGroups'>,
): Promise<DeletedGroupDescription[]> {
  const groups = await describeGroups(
    deleted.map(({ group }) => group),
    repositories,
  );
  const counts = await repositories.deletedGroups.countReturning(deleted.map(({ id }) => id));
  return deleted.map((row, index) => ({
    ...row,
    group: groups[index]!,
    subscribersToReturn: counts[index]!,
  }));
}

/** The fields that are shown first: in the order of their options. */
const firstFields = [
  'id',
  ...Object.keys(groupOptions).map((name) => (name === 'serviceGroupId' ? 'serviceGroup' : name)),
];

/** Returns the fields of a group for `formatFields`, by the names of the API. */
export function groupFields(group: GroupDescription): [string, unknown][] {
  const { serviceGroup } = group;
  const radius = group.radiusAttributes.map(({ attribute, op, value }) => `${attribute} ${op} ${value}`);
  const values = new Map<string, unknown>(Object.entries(group));
  values.set('radiusAttributes', radius.length === 0 ? 'none' : radius.join('\n'));
  values.set('serviceGroup', serviceGroup && `${serviceGroup.id} ${serviceGroup.name}`);
  const others = [...values.keys()].filter((name) => !firstFields.includes(name));
  return [...firstFields, ...others].map((name) => [name, values.get(name)]);
}
