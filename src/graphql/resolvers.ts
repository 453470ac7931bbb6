import type { GraphQLScalarType } from 'graphql';
import { formatAuditCursor, parseAuditSearch } from '../mutations/audit-event-search.ts';
import type { AuditEvent } from '../mutations/audit-events.ts';
import type { Resolvers } from '../generated/graphql.ts';
import { formatDeletedGroupCursor, parseDeletedGroupPage, type DeletedGroup } from '../groups/archive.ts';
import { parseDeletion, parseReason } from '../group-deletion/delete-group.ts';
import { findDeletionImpact } from '../group-deletion/deletion-impact.ts';
import { parseGroupIds } from '../group-deletion/parse-group-ids.ts';
import { parseRestoration } from '../group-deletion/restore-group.ts';
import { parseRetirement } from '../group-deletion/retire-group.ts';
import { parseGroupChanges, parseGroupId, parseNewGroup, type Group } from '../groups/group.ts';
import { formatGroupCursor, parseGroupSearch } from '../groups/group-search.ts';
import { inTurns, turnFor } from '../process/event-loop-turns.ts';
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
  parseSubscriberResult,
  statusOf,
  type Subscriber,
  type SubscriberResult,
} from '../subscribers/subscriber.ts';
import { connectionResolvers } from './connection.ts';
import type { Loaders } from './context.ts';
import { mutationResolver, queryResolver } from './root-fields.ts';
import { dateTimeScalar, jsonScalar } from './scalars.ts';

/** A page of subscribers that never waits for a turn of the event loop. */
const shortPage = 10;

/** One resolver per field: it parses the arguments and calls a repository. */
export const resolvers: Resolvers = {
  Query: {
    group: queryResolver(({ id }, { groups }) => groups.get(parseGroupId(id))),

    groups: queryResolver(async (args, { groups, serviceGroups }) => {
      const serviceGroupId = parseServiceGroupId(args.serviceGroupId, 'serviceGroupId');
      const list = await groups.list({ serviceGroupId });
      // If the list is empty, reject an unknown service group with NOT_FOUND.
      if (list.length === 0) await serviceGroups.get(serviceGroupId);
      return inTurns(list);
    }),

    registrationGroups: queryResolver(async (_args, { groups }) =>
      inTurns(await groups.list({ hidden: false, retiresAt: null })),
    ),

    allGroups: queryResolver(async (_args, { groups }) => inTurns(await groups.list())),

    searchGroups: queryResolver(async (args, { groups }) => {
      const search = parseGroupSearch(args);
      return {
        ...(await groups.search(search)),
        hasPreviousPage: search.after !== undefined,
        cursorOf: (group) => formatGroupCursor(group, search.field),
        count: () => groups.count(search),
      };
    }),

    groupDeletionImpact: queryResolver(({ id }, context) => findDeletionImpact(parseGroupId(id), context)),

    deletedGroup: queryResolver(({ id }, { deletedGroups }) => deletedGroups.get(parseGroupId(id))),

    deletedGroups: queryResolver(async (args, { deletedGroups }) => {
      const page = parseDeletedGroupPage(args);
      return {
        ...(await deletedGroups.list(page)),
        hasPreviousPage: page.after !== undefined,
        cursorOf: formatDeletedGroupCursor,
        count: () => deletedGroups.count(),
      };
    }),

    auditEvents: queryResolver(async (args, { audit }) => {
      const search = parseAuditSearch(args);
      return {
        ...(await audit.search(search)),
        hasPreviousPage: search.after !== undefined,
        cursorOf: formatAuditCursor,
        count: () => audit.count(search),
      };
    }),

    serviceGroup: queryResolver(({ id }, { serviceGroups }) => serviceGroups.get(parseServiceGroupId(id))),

    serviceGroups: queryResolver(async (_args, { serviceGroups }) => inTurns(await serviceGroups.list())),
  },

  Mutation: {
    deleteGroup: mutationResolver((args, { groupDeletion }, call) =>
      groupDeletion.deleteGroup(parseDeletion(args), call),
    ),

    deleteGroups: mutationResolver(async (args, { groupDeletion }, call) =>
      inTurns(await groupDeletion.deleteGroups(parseGroupIds(args.ids), parseReason(args.reason), call)),
    ),

    restoreGroup: mutationResolver((args, { groupRestoration }, call) =>
      groupRestoration.restoreGroup(parseRestoration(args), call),
    ),

    retireGroup: mutationResolver((args, { groupRetirement }, call) =>
      groupRetirement.retireGroup(parseRetirement(args), call),
    ),

    cancelRetirement: mutationResolver(({ id }, { groupRetirement }, call) =>
      groupRetirement.cancelRetirement(parseGroupId(id), call),
    ),

    purgeDeletedGroup: mutationResolver(({ id }, { deletedGroups }, call) =>
      deletedGroups.purge(parseGroupId(id), call),
    ),

    createGroup: mutationResolver(({ group }, { groups }, call) => groups.create(parseNewGroup(group), call)),

    editGroup: mutationResolver(({ id, group }, { groups }, call) =>
      groups.edit(parseGroupId(id), parseGroupChanges(group), call),
    ),

    subscribe: mutationResolver((args, { subscribers }, call) =>
      subscribers.subscribe(parseSubscription(args), call),
    ),

    removeUserSubscription: mutationResolver(({ username, groupId }, { subscribers }, call) =>
      subscribers.remove(
        parseStoredUsername(username),
        groupId == null ? null : parseGroupId(groupId, 'groupId'),
        call,
      ),
    ),

    moveSubscribers: mutationResolver((args, { subscribers }, call) => {
      const { from, to } = parseMove(args);
      return subscribers.moveAll(from, to, call);
    }),

    createServiceGroup: mutationResolver(({ serviceGroup }, { serviceGroups }, call) =>
      serviceGroups.create(parseNewServiceGroup(serviceGroup), call),
    ),

    editServiceGroup: mutationResolver(({ id, serviceGroup }, { serviceGroups }, call) =>
      serviceGroups.edit(parseServiceGroupId(id), parseServiceGroupChanges(serviceGroup), call),
    ),

    deleteServiceGroup: mutationResolver(({ id }, { serviceGroups }, call) =>
      serviceGroups.delete(parseServiceGroupId(id), call),
    ),
  },

  Group: {
    serviceGroup: ({ serviceGroupId, details }, _args, { loaders }) => {
      if (details?.serviceGroup !== undefined) return details.serviceGroup;
      return serviceGroupId === null ? null : loaders().serviceGroup.load(serviceGroupId);
    },

    isRetired: ({ retiresAt }) => retiresAt !== null,

    radiusAttributes: (group, _args, { loaders }) =>
      group.details?.radiusAttributes ?? loaders().radiusAttributes.load(group),

    subscriberCount: (group, _args, { loaders }) => countActiveSubscribers(group, loaders),

    subscribers: async (group, args, { loaders }) => {
      const { first, after } = parseSubscriberPage(args);
      const rows = await findActiveSubscribers(group, { first, after }, loaders);
      // Together with the pages of many groups, which are read at once.
      if (rows.length > shortPage) await turnFor(rows.length);
      return {
        nodes: rows.slice(0, first),
        hasNextPage: rows.length > first,
        hasPreviousPage: after !== '',
        cursorOf: formatSubscriberCursor,
        count: async () => ({
          totalCount: await countActiveSubscribers(group, loaders),
          totalCountIsExact: true,
        }),
      };
    },
  },

  Subscriber: {
    group: ({ groupId, group }, _args, { loaders }) => group ?? loaders().group.load(groupId),
    status: (subscriber) => subscriber.status ?? statusOf(subscriber),
  },

  DeletedGroup: {
    subscribersToReturn: ({ id, subscribersToReturn }, _args, { loaders }) =>
      subscribersToReturn ?? loaders().returningSubscriberCount.load(id),
  },

  AuditEvent: {
    id: ({ id }) => String(id),
  },

  GroupConnection: connectionResolvers<Group>(),
  SubscriberConnection: connectionResolvers<Subscriber>(),
  DeletedGroupConnection: connectionResolvers<DeletedGroup>(),
  AuditEventConnection: connectionResolvers<AuditEvent>(),

  DateTime: dateTimeScalar as GraphQLScalarType,
  JSON: jsonScalar as GraphQLScalarType,
};

function countActiveSubscribers({ id, details }: Group, loaders: () => Loaders): number | Promise<number> {
  return details?.subscriberCount ?? loaders().activeSubscriberCount.load(id);
}

/**
 * Returns a page of a group's active subscribers, and one more if there are more. For the result of a mutation, returns
 * those that its transaction read.
 */
async function findActiveSubscribers(
  group: Group,
  { first, after }: { first: number; after: string },
  loaders: () => Loaders,
): Promise<SubscriberResult[]> {
  const { id, details } = group;
  if (details?.subscriberCount === 0) return [];
  const page = details?.subscriberPages?.find((stored) => stored.first === first && stored.after === after);
  if (page) return page.rows.map((row) => ({ ...parseSubscriberResult(row), group }));
  return loaders().activeSubscribers.load({ groupId: id, first, after });
}
