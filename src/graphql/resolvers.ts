import { DateTimeISOResolver } from 'graphql-scalars';
import type { Resolvers } from '../generated/graphql.ts';
import { parseGroupChanges, parseGroupId, parseNewGroup, type Group } from '../groups/group.ts';
import { formatCursor, parseGroupSearch } from '../groups/group-search.ts';
import {
  parseNewServiceGroup,
  parseServiceGroupChanges,
  parseServiceGroupId,
} from '../service-groups/service-group.ts';
import { connectionResolvers } from './connection.ts';

/** One resolver a field: the arguments are read, the repository does the rest. */
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
        cursorOf: (group) => formatCursor(group, search.field),
        count: () => groups.countGroups(search),
      };
    },

    serviceGroup: (_, { id }, { serviceGroups }) => serviceGroups.serviceGroup(parseServiceGroupId(id)),

    serviceGroups: (_, _args, { serviceGroups }) => serviceGroups.serviceGroups(),
  },

  Mutation: {
    deleteGroup: (_, { id }, { groups }) => groups.deleteGroup(parseGroupId(id)),

    createGroup: (_, { group }, { groups }) => groups.createGroup(parseNewGroup(group)),

    editGroup: (_, { id, group }, { groups }) => groups.editGroup(parseGroupId(id), parseGroupChanges(group)),

    createServiceGroup: (_, { serviceGroup }, { serviceGroups }) =>
      serviceGroups.createServiceGroup(parseNewServiceGroup(serviceGroup)),

    editServiceGroup: (_, { id, serviceGroup }, { serviceGroups }) =>
      serviceGroups.editServiceGroup(parseServiceGroupId(id), parseServiceGroupChanges(serviceGroup)),

    deleteServiceGroup: (_, { id }, { serviceGroups }) =>
      serviceGroups.deleteServiceGroup(parseServiceGroupId(id)),
  },

  Group: {
    serviceGroup: ({ serviceGroupId }, _args, { serviceGroupLoader }) =>
      serviceGroupId === null ? null : serviceGroupLoader.load(serviceGroupId),
  },

  GroupConnection: connectionResolvers<Group>(),

  DateTime: DateTimeISOResolver,
};
