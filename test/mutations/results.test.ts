import { describe, expect, test } from '@jest/globals';
import { twelveFields, useTestApp, type Json } from '../support/test-app.ts';

const app = useTestApp();

const serviceGroupFields = 'id name description language discount';
/** Every field of a group, with pages of subscribers of different sizes. */
const groupFields = `${twelveFields} hidden protected version createdAt updatedAt subscriberCount
  serviceGroup { ${serviceGroupFields} }
  subscribers(first: 2) { totalCount nodes { username status startsAt expiresAt group { name version subscriberCount } } edges { cursor } pageInfo { hasNextPage endCursor } }
  more: subscribers(first: 1, after: "WyJhbGkiXQ") { nodes { username } pageInfo { hasNextPage } }`;
const subscriberFields = `username groupId startsAt expiresAt status group { ${groupFields} }`;

let keyNumber = 0;
const run = async (mutation: string, key?: string) =>
  app.graphql(`mutation { ${mutation} }`, {}, key === undefined ? {} : { 'Idempotency-Key': key });

/** Creates a group in a service group, with two active subscribers and an ended one. */
async function createUsedGroup(): Promise<{ id: number; serviceGroupId: number }> {
  const created = await app.post('/createServiceGroup', { serviceGroup: { name: 'Before', discount: 12.5 } });
  const serviceGroupId = created.body.data.createServiceGroup.id;
  const id = await app.createGroup({ serviceGroupId });
  for (const username of ['ali', 'bahar']) await app.post('/subscribe', { username, groupId: id });
  const dates = { startsAt: '2020-01-01T00:00:00Z', expiresAt: '2021-01-01T00:00:00Z' };
  await app.post('/subscribe', { username: 'ended', groupId: id, ...dates });
  return { id, serviceGroupId };
}

/** Changes everything in a result that is not in the row of the group. */
async function changeDetails({ id, serviceGroupId }: { id: number; serviceGroupId: number }) {
  await app.post('/editServiceGroup', { id: serviceGroupId, serviceGroup: { name: 'After', discount: 1 } });
  await app.sql('INSERT INTO subscribers (group_id, username) SELECT id, $2 FROM groups WHERE id = $1', [
    id,
    'later',
  ]);
}

/** The mutations that return groups, each on a separate group, with a target without subscribers. */
const mutations: Readonly<
  Record<string, (group: { id: number; serviceGroupId: number }, target: number) => string>
> = {
  createGroup: ({ serviceGroupId }) =>
    `createGroup(group: { name: "N", tagName: "t", duration: 1, price: "1", serviceGroupId: ${serviceGroupId} }) { ${groupFields} }`,
  editGroup: ({ id }) => `editGroup(id: ${id}, group: { name: "E" }) { ${groupFields} }`,
  'deleteGroup, moving': ({ id }, target) =>
    `deleteGroup(id: ${id}, moveSubscribersTo: ${target}) { ${groupFields} }`,
  deleteGroup: (_, target) => `deleteGroup(id: ${target}) { ${groupFields} }`,
  deleteGroups: (_, target) => `deleteGroups(ids: [${target}]) { ${groupFields} }`,
  moveSubscribers: ({ id }, target) =>
    `moveSubscribers(fromGroupId: ${id}, toGroupId: ${target}) { movedCount from { ${groupFields} } to { ${groupFields} } }`,
  subscribe: ({ id }) =>
    `subscribe(username: "new", groupId: ${id}, startsAt: "2999-01-01T00:00:00Z") { ${subscriberFields} }`,
  removeUserSubscription: ({ id }) =>
    `removeUserSubscription(username: "ali", groupId: ${id}) { ${subscriberFields} }`,
};

describe.each(Object.entries(mutations))('%s', (name, write) => {
  const prepare = async () => {
    const group = await createUsedGroup();
    const target = await app.createGroup({ serviceGroupId: group.serviceGroupId });
    return { group, target, mutation: write(group, target) };
  };

  test('a repeated call returns every selected field as the first call did', async () => {
    const { group, target, mutation } = await prepare();
    const key = `results-${++keyNumber}`;
    const first = await run(mutation, key);
    expect(first.body.errors).toBeUndefined();

    await changeDetails(group);
    await app.sql(
      `INSERT INTO subscribers (group_id, username) SELECT id, 'other' FROM groups WHERE id = $1`,
      [target],
    );
    // A status depends on the time; a pending one is still pending.
    await app.sql(`UPDATE subscribers SET starts_at = now() WHERE username = 'new'`);

    const repeated = await run(mutation, key);
    expect(repeated.headers.get('idempotency-replayed')).toBe('true');
    expect(repeated.body).toStrictEqual(first.body);
  });

  if (!/^(delete|move)/.test(name)) return;

  test('a dry run returns every selected field of the real call, and changes nothing', async () => {
    const { group, mutation } = await prepare();
    const before = await readState();
    const dry = await run(mutation.replace(')', ', dryRun: true)'));
    expect(dry.body.errors).toBeUndefined();
    expect(await readState()).toStrictEqual(before);
    const real = await run(mutation);
    expect(dry.body).toStrictEqual(real.body);
    expect(await readState()).not.toStrictEqual(before);
    expect(group.id).toBeGreaterThan(0);
  });
});

/** All state that a mutation may change, except the audit. */
async function readState(): Promise<Json[]> {
  const tables = ['groups', 'subscribers', 'subscriber_history', 'deleted_groups', 'idempotency_keys'];
  return Promise.all(
    tables.map((table) => app.sql(`SELECT to_jsonb(t) AS row FROM ${table} AS t ORDER BY 1`)),
  );
}

test('a repeated restore and a repeated purge return what the first call did', async () => {
  const { id, serviceGroupId } = await createUsedGroup();
  await app.post('/moveSubscribers', { fromGroupId: id, toGroupId: await app.createGroup() });
  await app.post('/deleteGroup', { id });
  const restore = `restoreGroup(id: ${id}) { ${groupFields} }`;
  const restored = await run(restore, 'restore');
  expect(restored.body.data.restoreGroup).toMatchObject({
    id,
    subscriberCount: 0,
    serviceGroup: { name: 'Before' },
  });
  await changeDetails({ id, serviceGroupId });
  expect((await run(restore, 'restore')).body).toStrictEqual(restored.body);

  await app.post('/removeUserSubscription', { username: 'later', groupId: id });
  await app.post('/deleteGroup', { id });
  const purge = `purgeDeletedGroup(id: ${id}) { id deletedAt deletedBy reason purgeAt subscribersMoved group { ${groupFields} } }`;
  const purged = await run(purge, 'purge');
  expect(purged.body.data.purgeDeletedGroup.group).toMatchObject({ id, serviceGroup: { name: 'After' } });
  await app.post('/editServiceGroup', { id: serviceGroupId, serviceGroup: { name: 'Later' } });
  expect((await run(purge, 'purge')).body).toStrictEqual(purged.body);
});

test('an invalid page of subscribers is rejected before the mutation is executed', async () => {
  const { id } = await createUsedGroup();
  const edited = await run(
    `editGroup(id: ${id}, group: { name: "E" }) { subscribers(first: 201) { totalCount } }`,
  );
  expect(edited.body.errors[0].extensions).toStrictEqual({ code: 'BAD_USER_INPUT', argument: 'first' });
  expect((await app.post('/group', { id })).body.data.group).toMatchObject({ name: 'Plain', version: 1 });
});

test('a repeated call with another selection returns the values at the time of the first call', async () => {
  const { id, serviceGroupId } = await createUsedGroup();
  const first = await run(`editGroup(id: ${id}, group: { name: "E" }) { id }`, 'others');
  expect(first.body.data.editGroup).toStrictEqual({ id });
  await changeDetails({ id, serviceGroupId });
  const repeated = await run(
    `editGroup(id: ${id}, group: { name: "E" }) { name subscriberCount serviceGroup { name } }`,
    'others',
  );
  expect(repeated.body.data.editGroup).toStrictEqual({
    name: 'E',
    subscriberCount: 2,
    serviceGroup: { name: 'Before' },
  });
});

test('a repeated subscription returns what the first call did, also when it has ended since', async () => {
  const { id } = await createUsedGroup();
  const expiresAt = new Date(Date.now() + 1500).toISOString();
  const mutation = `subscribe(username: "brief", groupId: ${id}, expiresAt: "${expiresAt}") { username status expiresAt }`;
  const first = await run(mutation, 'brief');
  expect(first.body.data.subscribe).toStrictEqual({ username: 'brief', status: 'RUNNING', expiresAt });
  while (new Date().toISOString() <= expiresAt) await new Promise((resolve) => setTimeout(resolve, 50));
  const repeated = await run(mutation, 'brief');
  expect([repeated.status, repeated.body]).toStrictEqual([first.status, first.body]);
  const late = await run(mutation.replace('brief', 'late'), 'late');
  expect(late.body.errors[0].extensions).toStrictEqual({ code: 'BAD_USER_INPUT', argument: 'expiresAt' });
});

test('a status in a page of subscribers is that of the first call', async () => {
  const { id } = await createUsedGroup();
  await app.post('/subscribe', { username: 'soon', groupId: id, startsAt: '2999-01-01T00:00:00Z' });
  const mutation = `editGroup(id: ${id}, group: { name: "E" }) { subscribers { nodes { username status } } }`;
  const first = await run(mutation, 'page');
  expect(first.body.data.editGroup.subscribers.nodes).toContainEqual({ username: 'soon', status: 'PENDING' });
  await app.sql(`UPDATE subscribers SET starts_at = now() - interval '1 hour' WHERE username = 'soon'`);
  await app.sql(
    `UPDATE subscribers SET expires_at = now() - interval '1 minute', starts_at = '2020-01-01Z' WHERE username = 'ali'`,
  );
  expect((await run(mutation, 'page')).body).toStrictEqual(first.body);
});
