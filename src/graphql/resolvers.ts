import type { GraphQLScalarType } from 'graphql';
import { DateTimeResolver, JSONResolver } from 'graphql-scalars';
import { formatAuditCursor, parseAuditSearch } from '../mutations/audit-event-search.ts';
import type { AuditEvent } from '../mutations/audit-events.ts';
import type { Resolvers } from '../generated/graphql.ts';
import { formatDeletedGroupCursor, parseDeletedGroupPage, type DeletedGroup } from '../groups/archive.ts';
import { parseDeletion, parseDeletionIds, parseReason } from '../group-deletion/delete-input.ts';
import { findDeletionImpact } from '../group-deletion/deletion-impact.ts';
import { parseGroupChanges, parseGroupId, parseNewGroup, type Group } from '../groups/group.ts';
import { formatGroupCursor, parseGroupSearch } from '../groups/group-search.ts';
import {
  parseNewServiceGroup,
  parseServiceGroupChanges,
  parseServiceGroupId,
} from '../service-groups/service-group.ts';
import {
  formatSubscriberCursor,
  parseMove,
  parseSubscriberPage,
  parseSubscription,
  parseStoredUsername,
  parseSubscriberRow,
  statusOf,
  type Subscriber,
} from '../subscribers/subscriber.ts';
import { connectionResolvers } from './connection.ts';
import type { Loaders } from './context.ts';
import { auditedResolver } from './recorded.ts';

/** One resolver a field: the arguments are read, a repository does the rest. */
export const resolvers: Resolvers = {
  Query: {
    group: (_, { id }, { groups }) => groups.group(parseGroupId(id)),

    groups: async (_, args, { groups, serviceGroups }) => {
      const serviceGroupId = parseServiceGroupId(args.serviceGroupId, 'serviceGroupId');
      const found = await groups.groups({ serviceGroupId });
      // An empty list has to be told from a family that does not exist.
      if (found.length === 0) await serviceGroups.serviceGroup(serviceGroupId);
      return found;
    },

    registrationGroups: (_, _args, { groups }) => groups.groups({ hidden: false }),

    allGroups: (_, _args, { groups }) => groups.groups(),

    searchGroups: async (_, args, { groups }) => {
      const search = parseGroupSearch(args);
      return {
        ...(await groups.searchGroups(search)),
        hasPreviousPage: search.after !== undefined,
        cursorOf: (group) => formatGroupCursor(group, search.field),
        count: () => groups.countGroups(search),
      };
    },

    groupDeletionImpact: (_, { id }, context) => findDeletionImpact(parseGroupId(id), context),

    deletedGroup: (_, { id }, { deletedGroups }) => deletedGroups.deletedGroup(parseGroupId(id)),

    deletedGroups: async (_, args, { deletedGroups }) => {
      const page = parseDeletedGroupPage(args);
      return {
        ...(await deletedGroups.deletedGroups(page)),
        hasPreviousPage: page.after !== undefined,
        cursorOf: formatDeletedGroupCursor,
        count: () => deletedGroups.countDeletedGroups(),
      };
    },

    auditEvents: async (_, args, { audit }) => {
      const search = parseAuditSearch(args);
      return {
        ...(await audit.auditEvents(search)),
        hasPreviousPage: search.after !== undefined,
        cursorOf: formatAuditCursor,
        count: () => audit.countAuditEvents(search),
      };
    },

    serviceGroup: (_, { id }, { serviceGroups }) => serviceGroups.serviceGroup(parseServiceGroupId(id)),

    serviceGroups: (_, _args, { serviceGroups }) => serviceGroups.serviceGroups(),
  },

  Mutation: {
    deleteGroup: auditedResolver((args, { groupDeletion }, call) =>
      groupDeletion.deleteGroup(parseDeletion(args), call),
    ),

    deleteGroups: auditedResolver((args, { groupDeletion }, call) =>
      groupDeletion.deleteGroups(parseDeletionIds(args.ids), parseReason(args.reason), call),
    ),

    restoreGroup: auditedResolver(({ id }, { deletedGroups }, call) =>
      deletedGroups.restoreGroup(parseGroupId(id), call),
    ),

    purgeDeletedGroup: auditedResolver(({ id }, { deletedGroups }, call) =>
      deletedGroups.purgeDeletedGroup(parseGroupId(id), call),
    ),

    createGroup: auditedResolver(({ group }, { groups }, call) =>
      groups.createGroup(parseNewGroup(group), call),
    ),

    editGroup: auditedResolver(({ id, group }, { groups }, call) =>
      groups.editGroup(parseGroupId(id), parseGroupChanges(group), call),
    ),

    subscribe: auditedResolver((args, { subscribers }, call) =>
      subscribers.subscribe(parseSubscription(args), call),
    ),

    removeUserSubscription: auditedResolver(({ username, groupId }, { subscribers }, call) =>
      subscribers.removeUserSubscription(
        parseStoredUsername(username),
        groupId == null ? null : parseGroupId(groupId, 'groupId'),
        call,
      ),
    ),

    moveSubscribers: auditedResolver((args, { subscribers }, call) => {
      const { from, to } = parseMove(args);
      return subscribers.moveSubscribers(from, to, call);
    }),

    createServiceGroup: auditedResolver(({ serviceGroup }, { serviceGroups }, call) =>
      serviceGroups.createServiceGroup(parseNewServiceGroup(serviceGroup), call),
    ),

    editServiceGroup: auditedResolver(({ id, serviceGroup }, { serviceGroups }, call) =>
      serviceGroups.editServiceGroup(parseServiceGroupId(id), parseServiceGroupChanges(serviceGroup), call),
    ),

    deleteServiceGroup: auditedResolver(({ id }, { serviceGroups }, call) =>
      serviceGroups.deleteServiceGroup(parseServiceGroupId(id), call),
    ),
  },

  Group: {
    serviceGroup: ({ serviceGroupId, details }, _args, { loaders }) => {
      if (details?.serviceGroup !== undefined) return details.serviceGroup;
      return serviceGroupId === null ? null : loaders().serviceGroup.load(serviceGroupId);
    },

    subscriberCount: (group, _args, { loaders }) => countActiveSubscribers(group, loaders()),

    subscribers: async (group, args, { loaders }) => {
      const { first, after } = parseSubscriberPage(args);
      const found = await findActiveSubscribers(group, { first, after }, loaders());
      return {
        nodes: found.slice(0, first),
        hasNextPage: found.length > first,
        hasPreviousPage: after !== '',
        cursorOf: formatSubscriberCursor,
        count: async () => countActiveSubscribers(group, loaders()),
      };
    },
  },

  Subscriber: {
    group: ({ groupId, group }, _args, { loaders }) => group ?? loaders().group.load(groupId),
    status: (subscriber) => subscriber.status ?? statusOf(subscriber),
  },

  AuditEvent: {
    id: ({ id }) => String(id),
  },

  GroupConnection: connectionResolvers<Group>(),
  SubscriberConnection: connectionResolvers<Subscriber>(),
  DeletedGroupConnection: connectionResolvers<DeletedGroup>(),
  AuditEventConnection: connectionResolvers<AuditEvent>(),

  DateTime: withoutDescription(DateTimeResolver),
  JSON: withoutDescription(JSONResolver),
};

function countActiveSubscribers({ id, details }: Group, loaders: Loaders): number | Promise<number> {
  return details?.subscriberCount ?? loaders.activeSubscriberCount.load(id);
}

/** A page of a group's active subscribers, and one more if there are more: of a mutation's result as it was then. */
async function findActiveSubscribers(
  { id, details }: Group,
  { first, after }: { first: number; after: string },
  loaders: Loaders,
): Promise<Subscriber[]> {
  if (details?.subscriberCount === 0) return [];
  const page = details?.subscriberPages?.find((each) => each.first === first && each.after === after);
  return page
    ? page.rows.map(parseSubscriberRow)
    : loaders.activeSubscribers.load({ groupId: id, first, after });
}

/** What a scalar does, without its name and description, which are those of schema.graphql. */
function withoutDescription({ serialize, parseValue, parseLiteral }: GraphQLScalarType): GraphQLScalarType {
  return { serialize, parseValue, parseLiteral } as GraphQLScalarType;
}
