import { expect } from '@jest/globals';
import {
  call,
  createDeletedGroup,
  createGroupWithSubscribers,
  createServiceGroup,
  fields,
  groupArgs,
  unknownId,
  type CommandRow,
} from './command-row.ts';
import { future } from './probes.ts';

/** For each mutation of the schema the command that does the same. */
export const mutationCommands: Readonly<Record<string, CommandRow>> = {
  deleteGroup: {
    command: 'groups delete',
    prepare: async (app) => {
      const [id, target] = [await createGroupWithSubscribers(app), await app.createGroup()];
      return {
        variables: { id, reason: 'gone', moveSubscribersTo: target, expectedVersion: 1 },
        args: [id, '--reason', 'gone', '--move-subscribers-to', target, '--expected-version', 1, '--yes'],
      };
    },
    toJson: (group) => ({
      groups: [group],
      restorableUntil: expect.any(String),
      isDryRun: false,
      subscribersMoved: 2,
    }),
    shows: [
      /^Deleted group \d+: Gold; 2 subscribers moved to group \d+\nTo restore until \S+: group-api groups restore \d+ --move-subscribers-back\n$/,
    ],
    rejected: ['NOT_FOUND', unknownId, '--yes'],
  },
  deleteGroups: {
    command: 'groups delete',
    prepare: async (app) => {
      const ids = [await app.createGroup({ name: 'One' }), await app.createGroup({ name: 'Two' })];
      return { variables: { ids }, args: [...ids, '--yes'] };
    },
    toJson: (groups) => ({
      groups,
      restorableUntil: expect.any(String),
      isDryRun: false,
      subscribersMoved: 0,
    }),
    shows: [/^Deleted group \d+: One\nDeleted group \d+: Two\n/],
    rejected: ['NOT_FOUND', unknownId, '2000000001', '--yes'],
  },
  restoreGroup: {
    command: 'groups restore',
    prepare: async (app) => {
      const id = await createDeletedGroup(app);
      return { variables: { id }, args: [id] };
    },
    toJson: (group) => ({ groups: [group] }),
    shows: [/^Restored group \d+: Gold\n$/],
    rejected: ['NOT_FOUND', unknownId],
  },
  retireGroup: {
    command: 'groups retire',
    prepare: async (app) => {
      const [id, target] = [await createGroupWithSubscribers(app), await app.createGroup()];
      const at = '2099-12-31T20:30:00.000Z';
      return {
        variables: { id, at, moveSubscribersTo: target, reason: 'gone', expectedVersion: 1 },
        args: [id, '--at', at, '--move-subscribers-to', target, '--reason', 'gone', '--expected-version', 1],
      };
    },
    shows: [
      /^Retired group \d+: Gold; deleted after 2099-12-31T20:30:00\.000Z, once its subscribers are moved to group \d+\n$/,
    ],
    rejected: ['NOT_FOUND', unknownId],
  },
  cancelRetirement: {
    command: 'groups cancel-retirement',
    prepare: async (app) => {
      const id = await createGroupWithSubscribers(app);
      await call(app, 'retireGroup', { id, at: future });
      return { variables: { id }, args: [id] };
    },
    shows: [/^Cancelled the retirement of group \d+: Gold, offered again\n$/],
    rejected: ['NOT_FOUND', unknownId],
  },
  purgeDeletedGroup: {
    command: 'groups purge',
    prepare: async (app) => {
      const id = await createDeletedGroup(app);
      return { variables: { id }, args: [id, '--yes'] };
    },
    toJson: (deleted) => ({ deletedGroups: [deleted] }),
    shows: [/^Purged group \d+: Gold\n$/],
    rejected: ['NOT_FOUND', unknownId, '--yes'],
  },
  subscribe: {
    command: 'subscribers add',
    prepare: async (app) => {
      const groupId = await app.createGroup();
      const dates = { startsAt: '2030-01-01T00:00:00.000Z', expiresAt: '2031-01-01T10:00:00.000Z' };
      return {
        variables: { username: 'ali', groupId, ...dates },
        args: ['ali', groupId, '--starts-at', '2030-01-01', '--expires-at', dates.expiresAt],
      };
    },
    shows: [/^Added ali to group \d+: PENDING, from 2030-01-01T00:00:00\.000Z until 2031-01-01T10:00:00/],
    rejected: ['NOT_FOUND', 'ali', unknownId],
  },
  removeUserSubscription: {
    command: 'subscribers remove',
    options: { groupId: '--group' },
    prepare: async (app) => {
      const groupId = await createGroupWithSubscribers(app);
      return { variables: { username: 'ali', groupId }, args: ['ali', '--group', groupId, '--yes'] };
    },
    shows: [/^Removed ali from group \d+\n$/],
    rejected: ['NOT_FOUND', 'nemo', '--group', unknownId, '--yes'],
  },
  moveSubscribers: {
    command: 'subscribers move',
    options: { fromGroupId: '<from>', toGroupId: '<to>' },
    prepare: async (app) => {
      const [from, to] = [await createGroupWithSubscribers(app), await app.createGroup()];
      return { variables: { fromGroupId: from, toGroupId: to }, args: [from, to, '--yes'] };
    },
    toJson: (payload) => ({ ...payload, isDryRun: false }),
    shows: [/^Moved 2 subscribers from group \d+ \(Gold\) to group \d+ \(Plain\)\n$/],
    rejected: ['NOT_FOUND', '2000000001', unknownId, '--yes'],
  },
  createGroup: {
    command: 'groups create',
    prepare: async (app) => {
      const group = { ...fields, serviceGroupId: await createServiceGroup(app) };
      return { variables: { group }, args: groupArgs(group) };
    },
    shows: [/^Created group \d+: Gold\n$/],
    rejected: ['BAD_USER_INPUT', ...groupArgs({ ...fields, serviceGroupId: unknownId })],
  },
  editGroup: {
    command: 'groups edit',
    prepare: async (app) => {
      const id = await app.createGroup({ ...fields, serviceGroupId: await createServiceGroup(app) });
      return {
        variables: { id, group: { price: '12.5', protected: false, ip: null, serviceGroupId: null } },
        args: [id, '--price', '12.5', '--protected', 'false', '--no-ip', '--no-service-group-id'],
      };
    },
    shows: [/^Changed group \d+: Gold, now at version 2\n$/],
    rejected: ['NOT_FOUND', unknownId, '--price', '1'],
  },
  createServiceGroup: {
    command: 'service-groups create',
    prepare: async () => {
      const serviceGroup = { name: 'Family', description: 'For all', language: 'fa', discount: 12.5 };
      return { variables: { serviceGroup }, args: groupArgs(serviceGroup) };
    },
    shows: [/^Created service group \d+: Family\n$/],
  },
  editServiceGroup: {
    command: 'service-groups edit',
    prepare: async (app) => {
      const id = await createServiceGroup(app);
      return {
        variables: { id, serviceGroup: { discount: 20, language: null } },
        args: [id, '--discount', 20, '--no-language'],
      };
    },
    shows: [/^Changed service group \d+: Family\n$/],
    rejected: ['NOT_FOUND', unknownId, '--discount', '1'],
  },
  deleteServiceGroup: {
    command: 'service-groups delete',
    prepare: async (app) => {
      const id = await createServiceGroup(app);
      return { variables: { id }, args: [id, '--yes'] };
    },
    shows: [/^Deleted service group \d+: Family\n$/],
    rejected: ['NOT_FOUND', unknownId, '--yes'],
  },
};
