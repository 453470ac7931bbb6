// The mixed load of the soak test: what the panel of an operator and its customers send, with the share of each kind. Each
// operation works on groups that no other one uses meanwhile, so that each must succeed, and the end state is known.
import { twelveFields } from '../group-row.js';

/**
 * The share of each kind, in per mille: multiples of the smallest one. As many groups are created (40) or restored (20) as deleted (30 + 10 + 5 + 3 × 5),
 * as many leave the archive as enter it, and as many subscriptions end as begin: the amount of data is constant, except
 * for ended subscriptions, the audit log and the stored responses of calls with an Idempotency-Key. The calls of
 * `purgeDeletedGroup` stand for the daily purge.
 */
export const shares = {
  searchGroups: 150,
  'searchGroups, next page': 60,
  group: 80,
  'subscribers of a group': 140,
  groupDeletionImpact: 60,
  auditEvents: 40,
  'auditEvents, next page': 10,
  deletedGroups: 30,
  subscribe: 110,
  removeUserSubscription: 110,
  editGroup: 50,
  createGroup: 40,
  restoreGroup: 20,
  purgeDeletedGroup: 40,
  deleteGroup: 30,
  'deleteGroup, idempotent': 10,
  'deleteGroup, repeated': 10,
  'deleteGroup, moving': 5,
  'deleteGroups of 3': 5,
};

const listed = 'nodes { id name price duration hidden } pageInfo { hasNextPage endCursor }';
const queries = {
  searchGroups: `query ($filter: GroupFilter, $orderBy: GroupOrder, $after: String) {
    searchGroups (filter: $filter, orderBy: $orderBy, first: 50, after: $after) { ${listed} } }`,
  group: `query ($id: Int!) { group (id: $id) { ${twelveFields} hidden protected version subscriberCount } }`,
  subscribers: `query ($id: Int!) { group (id: $id) { id
    subscribers (first: 50) { nodes { username startsAt expiresAt status } pageInfo { hasNextPage } totalCount } } }`,
  groupDeletionImpact: `query ($id: Int!) { groupDeletionImpact (id: $id) {
    group { id name } activeSubscribers pendingSubscribers endedSubscribers canDelete blockers { code message } } }`,
  auditEvents: `query ($filter: AuditFilter, $after: String) { auditEvents (filter: $filter, first: 50, after: $after) {
    nodes { id at account operation targetIds outcome errorCode requestId } pageInfo { hasNextPage endCursor } } }`,
  deletedGroups: `{ deletedGroups (first: 50) { nodes { id deletedAt deletedBy purgeAt group { name price } } } }`,
  subscribe: `mutation ($username: String!, $groupId: Int!, $expiresAt: DateTime) {
    subscribe (username: $username, groupId: $groupId, expiresAt: $expiresAt) { username groupId status } }`,
  removeUserSubscription: `mutation ($username: String!, $groupId: Int!) {
    removeUserSubscription (username: $username, groupId: $groupId) { username groupId } }`,
  editGroup: `mutation ($id: Int!, $group: GroupEdit) { editGroup (id: $id, group: $group) { id price version } }`,
  createGroup: `mutation ($group: GroupEdit) { createGroup (group: $group) { ${twelveFields} } }`,
  restoreGroup: `mutation ($id: Int!) { restoreGroup (id: $id) { id name } }`,
  purgeDeletedGroup: `mutation ($id: Int!) { purgeDeletedGroup (id: $id) { id } }`,
  deleteGroup: `mutation ($id: Int!, $moveSubscribersTo: Int) {
    deleteGroup (id: $id, moveSubscribersTo: $moveSubscribersTo) { ${twelveFields} } }`,
  deleteGroups: `mutation ($ids: [Int!]!) { deleteGroups (ids: $ids) { id name } }`,
};

const filters = [
  undefined,
  { tagName: 'tag7' },
  { text: 'group 42' },
  { minPrice: '10', maxPrice: '50' },
  { hidden: false },
  { minDuration: 30, maxDuration: 90 },
];
const orders = [undefined, { field: 'PRICE' }, { field: 'NAME', direction: 'DESC' }, { field: 'CREATED_AT' }];
const auditFilters = [undefined, { operation: 'deleteGroup' }, { account: 'admin' }, { outcome: 'replayed' }];

/**
 * Returns by kind the operation: it takes what it needs from the state, sends requests by `call(root field, query,
 * variables, Idempotency-Key)`, and puts the result into the state. An operation whose call fails leaves its groups out
 * of the state, since what happened to them is unknown.
 */
export function createOperations(state) {
  const { empty, occupied, deleted } = state;
  const pick = (list) => list[Math.floor(Math.random() * list.length)];
  const put = (group) => (group.usernames.length > 0 ? occupied : empty).put(group);
  const takeAny = () =>
    (Math.random() < occupied.size() / (occupied.size() + empty.size()) ? occupied : empty).take();
  /** Runs `use` with a group that no other operation uses meanwhile. */
  const withGroup = async (take, use) => {
    const group = take();
    await use(group);
    put(group);
  };
  const nextPages = { groups: [], events: [] };
  /** Remembers where pages continue, for the operations that read the next one. */
  const remember = (list, page, { pageInfo }) => {
    if (pageInfo.hasNextPage)
      list[list.length < 100 ? list.length : Math.floor(Math.random() * 100)] = page(pageInfo.endCursor);
  };
  const search = async (call, variables) => {
    const page = await call('searchGroups', queries.searchGroups, variables);
    remember(nextPages.groups, (after) => ({ ...variables, after }), page);
  };
  const searchAudit = async (call, variables) => {
    const page = await call('auditEvents', queries.auditEvents, variables);
    remember(nextPages.events, (after) => ({ ...variables, after }), page);
  };
  const expectId = (group, id) => {
    if (group.id !== id) throw new Error(`the response has group ${group.id} instead of ${id}`);
  };
  const deleteOne = async (call, group, target, key) => {
    const variables = { id: group.id, moveSubscribersTo: target?.id };
    const row = await call('deleteGroup', queries.deleteGroup, variables, key);
    expectId(row, group.id);
    deleted.put({ id: group.id, usernames: [] });
    return row;
  };

  return {
    searchGroups: (call) => search(call, { filter: pick(filters), orderBy: pick(orders) }),
    'searchGroups, next page': (call) => search(call, pick(nextPages.groups) ?? {}),
    group: (call) =>
      withGroup(takeAny, async ({ id, usernames }) => {
        const group = await call('group', queries.group, { id });
        expectId(group, id);
        if (group.subscriberCount !== usernames.length)
          throw new Error(
            `group ${id} has ${group.subscriberCount} subscribers instead of ${usernames.length}`,
          );
      }),
    'subscribers of a group': (call) =>
      withGroup(occupied.take, async ({ id, usernames }) => {
        const { subscribers } = await call('group', queries.subscribers, { id });
        if (subscribers.totalCount !== usernames.length)
          throw new Error(
            `group ${id} lists ${subscribers.totalCount} subscribers instead of ${usernames.length}`,
          );
      }),
    groupDeletionImpact: (call) =>
      withGroup(takeAny, async ({ id, usernames }) => {
        const impact = await call('groupDeletionImpact', queries.groupDeletionImpact, { id });
        if (impact.canDelete !== (usernames.length === 0)) throw new Error(`wrong canDelete of group ${id}`);
      }),
    auditEvents: (call) => searchAudit(call, { filter: pick(auditFilters) }),
    'auditEvents, next page': (call) => searchAudit(call, pick(nextPages.events) ?? {}),
    deletedGroups: (call) => call('deletedGroups', queries.deletedGroups, {}),

    subscribe: (call) =>
      withGroup(Math.random() < 0.1 ? empty.take : occupied.take, async (group) => {
        const username = `user-${++state.lastUser}`;
        const expiresAt = Math.random() < 0.5 ? null : new Date(Date.now() + 30 * 86_400_000).toISOString();
        await call('subscribe', queries.subscribe, { username, groupId: group.id, expiresAt });
        group.usernames.push(username);
      }),
    removeUserSubscription: (call) =>
      withGroup(occupied.take, async (group) => {
        const username = group.usernames.at(-1);
        await call('removeUserSubscription', queries.removeUserSubscription, { username, groupId: group.id });
        group.usernames.pop();
      }),
    editGroup: (call) =>
      withGroup(takeAny, async ({ id }) => {
        const price = (Math.random() * 100).toFixed(2);
        const edited = await call('editGroup', queries.editGroup, {
          id,
          group: { price, hidden: Math.random() < 0.1 },
        });
        if (Number(edited.price) !== Number(price)) throw new Error(`wrong price of group ${id}`);
      }),
    async createGroup(call) {
      const number = ++state.lastGroup;
      const group = {
        name: `Group ${number}`,
        description: `Description of group ${number}`,
        tagName: `tag${number % 100}`,
        duration: number % 365,
        price: '9.90',
        ip: 'STATIC',
      };
      const { id } = await call('createGroup', queries.createGroup, { group });
      empty.put({ id, usernames: [] });
    },
    async restoreGroup(call) {
      const group = deleted.take();
      expectId(await call('restoreGroup', queries.restoreGroup, { id: group.id }), group.id);
      empty.put(group);
    },
    async purgeDeletedGroup(call) {
      const { id } = deleted.take();
      await call('purgeDeletedGroup', queries.purgeDeletedGroup, { id });
    },
    deleteGroup: (call) => deleteOne(call, empty.take()),
    async 'deleteGroup, idempotent'(call) {
      const group = empty.take();
      const key = `soak-${group.id}-${++state.lastKey}`;
      const row = await deleteOne(call, group, undefined, key);
      const remembered = { key, variables: { id: group.id }, row: JSON.stringify(row) };
      const { repeatable } = state;
      repeatable[repeatable.length < 1000 ? repeatable.length : Math.floor(Math.random() * 1000)] =
        remembered;
    },
    async 'deleteGroup, repeated'(call) {
      const { key, variables, row } = pick(state.repeatable);
      const repeated = await call('deleteGroup', queries.deleteGroup, variables, key, true);
      if (JSON.stringify(repeated) !== row) throw new Error(`another response to the repeated call ${key}`);
    },
    async 'deleteGroup, moving'(call) {
      const [group, target] = [occupied.take(), occupied.take()];
      await deleteOne(call, group, target);
      target.usernames.push(...group.usernames);
      occupied.put(target);
    },
    async 'deleteGroups of 3'(call) {
      const groups = [empty.take(), empty.take(), empty.take()];
      const ids = groups.map(({ id }) => id);
      const rows = await call('deleteGroups', queries.deleteGroups, { ids });
      for (const [index, id] of ids.entries()) expectId(rows[index], id);
      for (const group of groups) deleted.put(group);
    },
  };
}
