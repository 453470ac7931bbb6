import { describe, expect, test } from '@jest/globals';
import { useTestApp, type ApiResponse, type Json } from '../support/test-app.ts';

const app = useTestApp();

const codeOf = ({ body }: ApiResponse) => body.errors?.[0].extensions.code;
const [past, ended, future] = [
  '2020-01-01T00:00:00.000Z',
  '2021-01-01T00:00:00.000Z',
  '2100-01-01T00:00:00.000Z',
];
const readSubscribers = () => app.sql('SELECT * FROM subscribers ORDER BY group_id, username');

describe('subscribe', () => {
  test.each([
    ['RUNNING', {}, null],
    ['RUNNING', { startsAt: past, expiresAt: future }, future],
    ['PENDING', { startsAt: future }, null],
    ['ENDED', { startsAt: past, expiresAt: ended }, ended],
  ])('subscribe adds a username to a group: %s %j', async (status, dates, expiresAt) => {
    const groupId = await app.createGroup();
    const query = `mutation ($u: String!, $g: Int!, $s: DateTime, $e: DateTime) {
      subscribe(username: $u, groupId: $g, startsAt: $s, expiresAt: $e) { username groupId status startsAt expiresAt group { id } } }`;
    const { startsAt: s, expiresAt: e } = dates as { startsAt?: string; expiresAt?: string };
    const answer = await app.graphql(query, { u: ' mina ', g: groupId, s, e });
    expect(answer.body.errors).toBeUndefined();
    const { subscribe } = answer.body.data;
    expect(subscribe).toMatchObject({ username: 'mina', groupId, status, expiresAt, group: { id: groupId } });
    expect(s ?? subscribe.startsAt).toBe(subscribe.startsAt);
  });

  test('subscribe rejects a username that is active on the group; of ten concurrent calls one succeeds', async () => {
    const groupId = await app.createGroup();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => app.post('/subscribe', { username: 'u', groupId })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter((answer) => codeOf(answer) === 'ALREADY_EXISTS')).toHaveLength(9);
  });

  test('subscribe accepts a username whose subscription has ended; the ended one moves to the history', async () => {
    const groupId = await app.createGroup();
    await app.post('/subscribe', { username: 'back', groupId, startsAt: past, expiresAt: ended });
    expect(
      (await app.post('/subscribe', { username: 'back', groupId })).body.data.subscribe.expiresAt,
    ).toBeNull();
    const history = await app.sql('SELECT * FROM subscriber_history WHERE group_id = $1', [groupId]);
    expect(history).toMatchObject([{ username: 'back', expires_at: new Date(ended) }]);
  });

  test.each([
    [{ username: 'u', groupId: 2_000_000_000 }, 404, 'NOT_FOUND', undefined],
    [{ username: ' ', groupId: 1 }, 400, 'BAD_USER_INPUT', 'username'],
    [{ username: 'u'.repeat(129), groupId: 1 }, 400, 'BAD_USER_INPUT', 'username'],
    [{ username: 'a\u0000', groupId: 1 }, 400, 'BAD_USER_INPUT', 'username'],
    [{ username: 'u', groupId: 0 }, 400, 'BAD_USER_INPUT', 'groupId'],
    [{ username: 'u', groupId: 1, expiresAt: past }, 400, 'BAD_USER_INPUT', 'expiresAt'],
    [{ username: 'u', groupId: 1, startsAt: future, expiresAt: future }, 400, 'BAD_USER_INPUT', 'expiresAt'],
    [{ username: 'u', groupId: 1, startsAt: '9999-12-31T23:59:59-10:00' }, 400, 'BAD_USER_INPUT', 'startsAt'],
    [{ username: 'u', groupId: 1, startsAt: '0000-01-01T00:00:00Z' }, 400, 'BAD_USER_INPUT', 'startsAt'],
    [
      { username: 'u', groupId: 1, expiresAt: '9999-12-31T23:59:59-10:00' },
      400,
      'BAD_USER_INPUT',
      'expiresAt',
    ],
    [{ username: 'u', groupId: 1, startsAt: 'soon' }, 400, 'BAD_USER_INPUT', 'startsAt'],
    [{ username: 'u', groupId: 1, startsAt: '2020-01-01' }, 400, 'BAD_USER_INPUT', 'startsAt'],
    [{ groupId: 1 }, 400, 'BAD_USER_INPUT', 'username'],
  ])('subscribe rejects %j', async (args, status, code, argument) => {
    const before = await readSubscribers();
    const answer = await app.post('/subscribe', args);
    expect([answer.status, answer.body.errors[0].extensions]).toStrictEqual([
      status,
      argument ? { code, argument } : { code, id: args.groupId },
    ]);
    expect(await readSubscribers()).toStrictEqual(before);
  });
});

describe('removeUserSubscription', () => {
  test('removeUserSubscription removes the username from the group and returns the subscription; others are unchanged', async () => {
    const [groupId, other] = [await app.createGroup(), await app.createGroup()];
    for (const group of [groupId, other]) await app.post('/subscribe', { username: 'x', groupId: group });
    await app.post('/subscribe', { username: 'y', groupId });
    const answer = await app.post('/removeUserSubscription', { username: 'x', groupId });
    expect(answer.body.data.removeUserSubscription).toMatchObject({ username: 'x', groupId });
    const rows = await app.sql(
      'SELECT group_id, username FROM subscribers WHERE group_id IN ($1, $2) ORDER BY 1, 2',
      [groupId, other],
    );
    expect(rows).toStrictEqual([
      { group_id: groupId, username: 'y' },
      { group_id: other, username: 'x' },
    ]);
    expect(await app.sql('SELECT FROM subscriber_history WHERE group_id = $1', [groupId])).toHaveLength(1);
    expect(codeOf(await app.post('/removeUserSubscription', { username: 'x', groupId }))).toBe('NOT_FOUND');
  });

  test('removeUserSubscription without a group is accepted for a single subscription, and rejected for several', async () => {
    const [one, two] = [await app.createGroup(), await app.createGroup()];
    for (const groupId of [one, two]) await app.post('/subscribe', { username: 'only', groupId });
    const answer = await app.post('/removeUserSubscription', { username: 'only' });
    expect(answer.body.errors[0].extensions).toStrictEqual({ code: 'BAD_USER_INPUT', argument: 'groupId' });
    await app.post('/removeUserSubscription', { username: 'only', groupId: one });
    expect(
      (await app.post('/removeUserSubscription', { username: 'only' })).body.data.removeUserSubscription
        .groupId,
    ).toBe(two);
    expect(codeOf(await app.post('/removeUserSubscription', { username: 'only' }))).toBe('NOT_FOUND');
  });

  test('removeUserSubscription returns NOT_FOUND for an ended subscription', async () => {
    const groupId = await app.createGroup();
    await app.post('/subscribe', { username: 'old', groupId, startsAt: past, expiresAt: ended });
    expect(codeOf(await app.post('/removeUserSubscription', { username: 'old', groupId }))).toBe('NOT_FOUND');
  });
});

describe('moveSubscribers', () => {
  const query =
    'mutation ($from: Int!, $to: Int!, $dry: Boolean) { moveSubscribers(fromGroupId: $from, toGroupId: $to, dryRun: $dry) { movedCount from { id subscriberCount } to { id subscriberCount } } }';

  test('moveSubscribers moves active subscribers and not ended ones; a dry run moves no one', async () => {
    const [from, to] = [await app.createGroup(), await app.createGroup()];
    await app.post('/subscribe', { username: 'a', groupId: from });
    await app.post('/subscribe', { username: 'b', groupId: from, startsAt: future });
    await app.post('/subscribe', { username: 'c', groupId: from, startsAt: past, expiresAt: ended });
    const before = await readSubscribers();
    expect((await app.graphql(query, { from, to, dry: true })).body.data.moveSubscribers).toMatchObject({
      movedCount: 2,
    });
    expect(await readSubscribers()).toStrictEqual(before);

    expect((await app.graphql(query, { from, to })).body.data.moveSubscribers).toStrictEqual({
      movedCount: 2,
      from: { id: from, subscriberCount: 0 },
      to: { id: to, subscriberCount: 2 },
    });
    const rows = await app.sql('SELECT username FROM subscribers WHERE group_id = $1', [from]);
    expect(rows).toStrictEqual([{ username: 'c' }]);
  });

  test.each([
    [{ fromGroupId: 2_000_000_000 }, 404, { code: 'NOT_FOUND', id: 2_000_000_000, argument: 'fromGroupId' }],
    [{ toGroupId: 2_000_000_000 }, 404, { code: 'NOT_FOUND', id: 2_000_000_000, argument: 'toGroupId' }],
    [{ fromGroupId: 0 }, 400, { code: 'BAD_USER_INPUT', argument: 'fromGroupId' }],
    [{ toGroupId: -1 }, 400, { code: 'BAD_USER_INPUT', argument: 'toGroupId' }],
  ])('moveSubscribers rejects %j', async (wrong, status, extensions) => {
    const args = { fromGroupId: await app.createGroup(), toGroupId: await app.createGroup(), ...wrong };
    const answer = await app.post('/moveSubscribers', args);
    expect([answer.status, answer.body.errors[0].extensions]).toStrictEqual([status, extensions]);
  });

  test('moveSubscribers rejects the same group twice, and usernames that are active on both', async () => {
    const [from, to] = [await app.createGroup(), await app.createGroup()];
    const same = await app.post('/moveSubscribers', { fromGroupId: from, toGroupId: from });
    expect(same.body.errors[0].extensions).toStrictEqual({ code: 'BAD_USER_INPUT', argument: 'toGroupId' });
    for (const groupId of [from, to]) await app.post('/subscribe', { username: 'both', groupId });
    expect(codeOf(await app.post('/moveSubscribers', { fromGroupId: from, toGroupId: to }))).toBe(
      'ALREADY_EXISTS',
    );
  });
});

test('a mutation sees the effects of the previous one in the same request', async () => {
  const g = await app.createGroup({ name: 'old' });
  const query = `mutation ($g: Int!) { a: subscribe(username: "a", groupId: $g) { group { name subscriberCount } }
    editGroup(id: $g, group: { name: "new" }) { id } b: subscribe(username: "b", groupId: $g) { group { name subscriberCount } } }`;
  const { data } = (await app.graphql(query, { g })).body;
  expect([data.a.group, data.b.group]).toStrictEqual([
    { name: 'old', subscriberCount: 1 },
    { name: 'new', subscriberCount: 2 },
  ]);
});

describe('group.subscribers', () => {
  test('group.subscribers has pages of active subscribers by username, in a list of groups too', async () => {
    const ids = [await app.createGroup({ tagName: 'paged' }), await app.createGroup({ tagName: 'paged' })];
    for (const [index, groupId] of ids.entries()) {
      for (const username of ['a', 'b', 'c', 'd'])
        await app.post('/subscribe', { username: `${username}${index}`, groupId });
      await app.post('/subscribe', { username: 'aa-ended', groupId, startsAt: past, expiresAt: ended });
    }
    const query = `query ($after: String) { searchGroups(filter: { tagName: "paged" }) { nodes { subscriberCount
      subscribers(first: 2, after: $after) { nodes { username } totalCount pageInfo { hasNextPage endCursor } } } } }`;
    const read = async (after?: string) => (await app.graphql(query, { after })).body.data.searchGroups.nodes;
    const first = await read();
    expect(
      first.map((group: Json) => group.subscribers.nodes.map((node: Json) => node.username)),
    ).toStrictEqual([
      ['a0', 'b0'],
      ['a1', 'b1'],
    ]);
    expect(first[0]).toMatchObject({
      subscriberCount: 4,
      subscribers: { totalCount: 4, pageInfo: { hasNextPage: true } },
    });
    const [second] = await read(first[0].subscribers.pageInfo.endCursor);
    expect(second.subscribers).toMatchObject({
      nodes: [{ username: 'c0' }, { username: 'd0' }],
      pageInfo: { hasNextPage: false },
    });
  });

  test.each([[{ first: 0 }], [{ first: 201 }], [{ after: 'x' }]])(
    'group.subscribers rejects %j',
    async (args) => {
      const id = await app.createGroup();
      const query =
        'query ($id: Int!, $first: Int, $after: String) { group(id: $id) { subscribers(first: $first, after: $after) { totalCount } } }';
      const answer = await app.graphql(query, { id, ...args });
      expect(answer.body.errors[0].extensions).toStrictEqual({
        code: 'BAD_USER_INPUT',
        argument: Object.keys(args)[0],
      });
    },
  );
});
