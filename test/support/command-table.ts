import { expect } from '@jest/globals';
import { future } from './probes.ts';
import type { Json, TestApp } from './test-app.ts';

/** One call of an operation: the variables of the API, and the arguments of the command that does the same. */
type Call = { readonly variables: object; readonly args: readonly (string | number)[] };

/** The command that does the same as a root field of the schema. */
export type CommandRow = {
  readonly command: string;
  /** The options and arguments whose names are not those of the API in kebab case. */
  readonly options?: Readonly<Record<string, string>>;
  /** Prepares a call that succeeds. A mutation gets a new state for each call, equal but for its ids. */
  readonly prepare: (app: TestApp) => Promise<Call>;
  /** What the command prints with --json, from the result of the API. */
  readonly toJson?: (result: Json) => unknown;
  /** What the table has, besides other text. */
  readonly shows: readonly RegExp[];
  /** Arguments with which a mutation is rejected, and the code. */
  readonly rejected?: readonly [code: string, ...args: string[]];
};

const unknownId = '2000000000';
const fields = {
  name: 'Gold',
  description: 'Two\nlines',
  tagName: 'gold',
  duration: 30,
  price: '29.9',
  usernamePostfix: '-g',
  usernamePostfixId: '5',
  dailyBandwidth: '10GB',
  multiLoginCount: 2,
  downloadUpload: '100/100',
  ip: '192.0.2.0/24',
  hidden: true,
  protected: true,
};
const groupArgs = (group: Readonly<Record<string, unknown>>): string[] =>
  Object.entries(group).flatMap(([name, value]) => [
    `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    String(value),
  ]);

async function call(app: TestApp, name: string, variables: object): Promise<Json> {
  const { status, body } = await app.post(`/${name}`, variables);
  if (status !== 200) throw new Error(JSON.stringify(body));
  return body.data[name];
}
const createServiceGroup = async (app: TestApp): Promise<number> =>
  (await call(app, 'createServiceGroup', { serviceGroup: { name: 'Family', language: 'fa' } })).id;
const subscribe = (app: TestApp, groupId: number, username: string, dates: object = {}) =>
  call(app, 'subscribe', { groupId, username, ...dates });

/** A group of a service group with a running and a pending subscriber. */
async function createGroupWithSubscribers(app: TestApp): Promise<number> {
  const serviceGroupId = await createServiceGroup(app);
  const id = await app.createGroup({ name: 'Gold', serviceGroupId });
  await subscribe(app, id, 'ali');
  await subscribe(app, id, 'mina', { startsAt: future });
  return id;
}
async function createDeletedGroup(app: TestApp): Promise<number> {
  const serviceGroupId = await createServiceGroup(app);
  const id = await app.createGroup({ name: 'Gold', serviceGroupId });
  await call(app, 'deleteGroup', { id, reason: 'spring\ncleaning' });
  return id;
}

const page = (name: string) => (connection: Json) => ({
  [name]: connection.nodes,
  pageInfo: connection.pageInfo,
});
const listed = { toJson: (groups: Json) => ({ groups, pageInfo: expect.anything() }) };

/** For each root field of the schema the command that does the same. */
export const commandTable: Readonly<Record<string, CommandRow>> = {
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
