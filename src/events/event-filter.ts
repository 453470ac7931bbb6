import { hasScope } from '../accounts/scopes.ts';
import { AppError, badInput } from '../errors.ts';
import { parseGroupId } from '../groups/group.ts';
import { eventTypeNames, eventTypes, type EventType } from './event-types.ts';
import type { Event } from './event.ts';

/** The maximum number of groups in a filter. */
const maxGroupIds = 1000;

/** Which events a caller asks for. */
export type EventFilter = {
  readonly types: ReadonlySet<EventType>;
  readonly groupIds: ReadonlySet<number> | undefined;
};

/** Returns the name of a type in GraphQL, whose names have no dots: `GROUP_DELETED` for `group.deleted`. */
function toGraphQLName(type: EventType): string {
  return type.replace('.', '_').toUpperCase();
}

const allTypes: ReadonlySet<EventType> = new Set(eventTypeNames);
const typeByGraphQLName = new Map(eventTypeNames.map((type) => [toGraphQLName(type), type]));

/**
 * Parses the arguments `types`, as the names in GraphQL, and `groupIds`.
 * @throws AppError BAD_USER_INPUT; FORBIDDEN if the account may not receive one of the types
 */
export function parseEventFilter(
  args: { readonly types?: readonly string[] | null; readonly groupIds?: readonly unknown[] | null },
  scopes: ReadonlySet<string>,
): EventFilter {
  const types = args.types?.map((name) => typeByGraphQLName.get(name)!);
  if (types?.length === 0) throw badInput('types', 'types must name at least one type; omit it for all');
  for (const type of types ?? []) {
    const { scope } = eventTypes[type];
    if (!hasScope(scopes, scope)) {
      const details = { requiredScope: scope, argument: 'types' };
      throw new AppError('FORBIDDEN', `The account needs the scope ${scope} to receive ${type}`, details);
    }
  }
  const { groupIds } = args;
  if (groupIds && (groupIds.length === 0 || groupIds.length > maxGroupIds))
    throw badInput('groupIds', `groupIds must have 1 to ${maxGroupIds} ids; omit it for all groups`);
  return {
    types: types ? new Set(types) : allTypes,
    groupIds: groupIds ? new Set(groupIds.map((id) => parseGroupId(id, 'groupIds'))) : undefined,
  };
}

/** Returns whether an account with these scopes receives an event that matches its filter. */
export function isReceived(
  { type, groupIds }: Event,
  filter: EventFilter,
  scopes: ReadonlySet<string>,
): boolean {
  if (!filter.types.has(type)) return false;
  if (filter.groupIds && !groupIds.some((id) => filter.groupIds!.has(id))) return false;
  return hasScope(scopes, eventTypes[type].scope);
}
