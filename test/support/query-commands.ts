import { expect } from '@jest/globals';
import {
  call,
  createDeletedGroup,
  createGroupWithSubscribers,
  createServiceGroup,
  groupArgs,
  type CommandRow,
} from './command-row.ts';
import { future } from './probes.ts';
import type { Json } from './test-app.ts';

const page = (name: string) => (connection: Json) => ({
  [name]: connection.nodes,
  pageInfo: connection.pageInfo,
});
const listed = { toJson: (groups: Json) => ({ groups, pageInfo: expect.anything() }) };

/** For each query of the schema the command that does the same. */
export const queryCommands: Readonly<Record<string, CommandRow>> = {
  group: {
    command: 'groups show',
    prepare: async (app) => {
      const id = await createGroupWithSubscribers(app);
      return { variables: { id }, args: [id] };
    },
    toJson: (group) => expect.objectContaining({ group }),
    shows: [/^id +\d+\nname +Gold\ndescription\ntagName /m, /^serviceGroup +\d+ Family$/m, /^version +1$/m],
  },
  groups: {
    command: 'groups list',
    options: { serviceGroupId: '--service-group' },
    prepare: async (app) => {
      const serviceGroupId = await createServiceGroup(app);
      for (const name of ['Gold', 'Silver']) await app.createGroup({ name, serviceGroupId });
      return { variables: { serviceGroupId }, args: ['--service-group', serviceGroupId] };
    },
    ...listed,
    shows: [/^\d+ +Gold /m, /^\d+ +Silver /m],
  },
  registrationGroups: {
    command: 'groups list',
    prepare: async (app) => {
      for (const hidden of [true, false])
        await app.createGroup({ name: hidden ? 'Secret' : 'Offered', hidden });
      return { variables: {}, args: ['--hidden', 'false', '--first', 200] };
    },
    ...listed,
    shows: [/ Offered /, /^(?![^]* Secret )/],
  },
  allGroups: {
    command: 'groups list',
    prepare: async (app) => {
      await app.createGroup({ name: 'Secret', hidden: true });
      return { variables: {}, args: ['--first', 200] };
    },
    ...listed,
    shows: [/ Secret .* hidden$/m],
  },
  searchGroups: {
    command: 'groups list',
    options: {
      serviceGroupId: '--service-group',
      isRetired: '--retired',
      field: '--order-by',
      direction: '--descending',
    },
    prepare: async (app) => {
      const serviceGroupId = await createServiceGroup(app);
      for (const price of ['1', '2', '3', '4'])
        await app.createGroup({ name: `Price ${price}`, price, serviceGroupId });
      const filter = {
        text: 'price',
        tagName: 'plain',
        serviceGroupId,
        minPrice: '2',
        maxPrice: '4',
        minDuration: 1,
        maxDuration: 99,
        hidden: false,
        isRetired: false,
      };
      const { serviceGroupId: _id, isRetired: _isRetired, ...others } = filter;
      const args = ['--retired', 'false', '--order-by', 'price', '--descending', '--first', 2];
      return {
        variables: { filter, orderBy: { field: 'PRICE', direction: 'DESC' }, first: 2 },
        args: [...groupArgs(others), '--service-group', serviceGroupId, ...args],
      };
    },
    toJson: page('groups'),
    shows: [/^\d+ +Price 4 .*\n\d+ +Price 3 .*\n\nNext page: group-api groups list --text price /m],
  },
  groupDeletionImpact: {
    command: 'groups show',
    prepare: async (app) => {
      const id = await createGroupWithSubscribers(app);
      await call(app, 'editGroup', { id, group: { protected: true } });
      return { variables: { id }, args: [id] };
    },
    shows: [
      /^activeSubscribers +2\npendingSubscribers +1\nendedSubscribers +0$/m,
      /^blockers +Cannot delete a protected group\n +Cannot delete group with active subscribers$/m,
    ],
  },
  deletedGroup: {
    command: 'groups deleted',
    prepare: async (app) => {
      const id = await createDeletedGroup(app);
      return { variables: { id }, args: [id] };
    },
    shows: [/^deletedBy +admin$/m, /^reason +spring\n +cleaning$/m, /^subscribersMoved +0$/m],
  },
  deletedGroups: {
    command: 'groups deleted',
    prepare: async (app) => {
      await createDeletedGroup(app);
      await createDeletedGroup(app);
      return { variables: { first: 1 }, args: ['--first', 1] };
    },
    toJson: page('deletedGroups'),
    shows: [/^\d+ +Gold +.*Z +admin +.*Z +0 +spring cleaning$/m, /^Next page: group-api groups deleted /m],
  },
  auditEvents: {
    command: 'audit list',
    options: { from: '--since', to: '--until', targetId: '--group' },
    prepare: async (app) => {
      const id = await app.createGroup();
      await call(app, 'editGroup', { id, group: { price: '2' } });
      const filter = {
        from: '2020-01-01T00:00:00Z',
        to: future,
        account: 'admin',
        operation: 'editGroup',
        targetId: String(id),
        outcome: 'done',
      };
      const args = ['--since', '2020-01-01', '--until', '2100-01-01', '--account', 'admin'];
      return {
        variables: { filter, first: 1 },
        args: [...args, '--operation', 'editGroup', '--group', id, '--outcome', 'done', '--first', 1],
      };
    },
    toJson: page('auditEvents'),
    shows: [/^ID +AT +ACCOUNT .*\n\d+ +\S+Z +admin +editGroup +\d+ +done$/m],
  },
  serviceGroup: {
    command: 'service-groups show',
    prepare: async (app) => {
      const id = await createServiceGroup(app);
      return { variables: { id }, args: [id] };
    },
    shows: [/^name +Family$/m, /^discount +0$/m],
  },
  serviceGroups: {
    command: 'service-groups list',
    prepare: async (app) => {
      await createServiceGroup(app);
      return { variables: {}, args: [] };
    },
    shows: [/^ID +NAME +LANGUAGE +DISCOUNT +DESCRIPTION$/m, /^\d+ +Family +fa +0$/m],
  },
};
