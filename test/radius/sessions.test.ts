import { expect, test } from '@jest/globals';
import { openSession } from '../support/nas.ts';
import { useSessionApp } from '../support/session-app.ts';
import { waitUntil } from '../support/wait-until.ts';

const { app, nas, groups, subscribe, call, readRequests, readUsers } = await useSessionApp();

test('the session of a removed subscriber is disconnected: its user name, NAS and id, with both authenticators; others are not', async () => {
  await subscribe('ali', groups.gold);
  await subscribe('sara', groups.gold);
  await openSession(app, 'ali@gold', { id: 'session 1' });
  for (const other of ['ali', 'sara@gold', 'xali@gold', 'ali@gold@gold']) await openSession(app, other);
  await openSession(app, 'ali@gold', { id: 'ended' });
  await app.sql(`UPDATE freeradius.radacct SET acctstoptime = now() WHERE acctsessionid = 'ended'`);
  await call('/removeUserSubscription', { username: 'ali', groupId: groups.gold });
  expect(await readRequests()).toStrictEqual([
    {
      code: 40,
      identifier: expect.any(Number),
      bytes: expect.anything(),
      isAuthentic: true,
      receivedAt: expect.any(Number),
      source: expect.anything(),
      attributes: {
        'Message-Authenticator': expect.stringMatching(/^[0-9a-f]{32}$/),
        'User-Name': 'ali@gold',
        'NAS-IP-Address': '127.0.0.1',
        'Acct-Session-Id': 'session 1',
      },
    },
  ]);
  expect(
    await app.sql(
      `SELECT event_type, username, session_id, nas_address, status, attempts, request, response, error_cause, last_error
       FROM radius_deliveries WHERE username NOT LIKE 'last %'`,
    ),
  ).toStrictEqual([
    {
      event_type: 'subscriber.removed',
      username: 'ali@gold',
      session_id: 'session 1',
      nas_address: '127.0.0.1',
      status: 'delivered',
      attempts: 1,
      request: 'disconnect',
      response: 'ack',
      error_cause: null,
      last_error: null,
    },
  ]);
});

test('all sessions of a user are disconnected, by one request each', async () => {
  await subscribe('ali', groups.gold);
  for (const id of ['phone', 'laptop', 'television']) await openSession(app, 'ali@gold', { id });
  await call('/removeUserSubscription', { username: 'ali' });
  const ids = (await readRequests()).map(({ attributes }) => attributes['Acct-Session-Id']!);
  expect(ids.toSorted()).toStrictEqual(['laptop', 'phone', 'television']);
});

test('moveSubscribers disconnects those who moved, not those who were on the target already', async () => {
  const [from, to] = [await app.createGroup({ usernamePostfix: '@from' }), await app.createGroup()];
  await subscribe('moving', from);
  await subscribe('present', to);
  await subscribe('gone', from);
  await call('/removeUserSubscription', { username: 'gone', groupId: from });
  for (const name of ['moving@from', 'moving', 'present', 'present@from']) await openSession(app, name);
  await call('/moveSubscribers', { fromGroupId: from, toGroupId: to });
  expect(await readUsers()).toStrictEqual(['moving@from']);
});

test('a delete that moves subscribers disconnects them, and so does a restore that moves them back', async () => {
  const [from, to] = [
    await app.createGroup({ usernamePostfix: '@a' }),
    await app.createGroup({ usernamePostfix: '@b' }),
  ];
  await subscribe('moving', from);
  await subscribe('present', to);
  for (const name of ['moving@a', 'present@b']) await openSession(app, name);
  await call('/deleteGroup', { id: from, moveSubscribersTo: to });
  expect(await readUsers()).toStrictEqual(['moving@a']);

  nas.requests.length = 0;
  await app.sql('DELETE FROM freeradius.radacct');
  for (const name of ['moving@b', 'present@b']) await openSession(app, name);
  await call('/restoreGroup', { id: from, moveSubscribersBack: true });
  expect(await readUsers()).toStrictEqual(['moving@b']);
});

test('the end of a retirement that moves subscribers disconnects them', async () => {
  const [from, to] = [await app.createGroup({ usernamePostfix: '@end' }), await app.createGroup()];
  await subscribe('moving', from);
  await openSession(app, 'moving@end');
  await call('/retireGroup', { id: from, moveSubscribersTo: to });
  await waitUntil(() => nas.requests.length > 0);
  expect(await readUsers()).toStrictEqual(['moving@end']);
});

test('an edit of what RADIUS reads disconnects the subscribers of the group; an edit of anything else does not', async () => {
  const groupId = await app.createGroup({
    usernamePostfix: '@e',
    downloadUpload: '10/5',
    multiLoginCount: 1,
  });
  await subscribe('ali', groupId);
  await subscribe('sara', groups.gold);
  for (const name of ['ali@e', 'ali', 'sara@e', 'sara@gold']) await openSession(app, name);
  for (const group of [
    { name: 'New' },
    { price: '1.00' },
    { duration: 7 },
    { multiLoginCount: 5 },
    { downloadUpload: '10/5' },
    { downloadUpload: '10 M/5 M' },
    { ip: 'STATIC' },
    { ip: 'DYNAMIC' },
    { dailyBandwidth: 'none' },
  ])
    await call('/editGroup', { id: groupId, group });
  expect(await readUsers()).toStrictEqual([]);
  for (const group of [
    { downloadUpload: '20/5' },
    { dailyBandwidth: '10GB' },
    { ip: '10.1.0.0/16' },
    { usernamePostfix: '@f' },
  ]) {
    await app.sql('DELETE FROM radius_deliveries');
    nas.requests.length = 0;
    await call('/editGroup', { id: groupId, group });
    expect([group, await readUsers()]).toStrictEqual([group, ['ali@e']]);
  }
});

test('a lower multiLoginCount disconnects the sessions above it, the latest ones', async () => {
  const groupId = await app.createGroup({ multiLoginCount: 0 });
  for (const username of ['one', 'three']) await subscribe(username, groupId);
  await openSession(app, 'one', { id: 'one 1' });
  for (const id of ['three 1', 'three 2', 'three 3']) await openSession(app, 'three', { id });
  await call('/editGroup', { id: groupId, group: { multiLoginCount: 2 } });
  const ids = (await readRequests()).map(({ attributes }) => attributes['Acct-Session-Id']);
  expect(ids).toStrictEqual(['three 3']);
});

test('a change of a plan that is not the one that RADIUS reads for the user disconnects no session', async () => {
  const [older, later] = [await app.createGroup(), await app.createGroup()];
  const [from, to] = [await app.createGroup(), await app.createGroup()];
  await subscribe('ali', older, '2026-01-01T00:00:00Z');
  await subscribe('ali', from, '2026-01-02T00:00:00Z');
  await subscribe('ali', later, '2026-01-03T00:00:00Z');
  await openSession(app, 'ali');
  await call('/editGroup', { id: older, group: { downloadUpload: '1/1' } });
  await call('/moveSubscribers', { fromGroupId: from, toGroupId: to });
  await call('/removeUserSubscription', { username: 'ali', groupId: older });
  expect(await readUsers()).toStrictEqual([]);
  await call('/removeUserSubscription', { username: 'ali', groupId: later });
  expect(await readUsers()).toStrictEqual(['ali']);
});

test('a change of this server is sent without waiting for the next poll, which comes each second', async () => {
  const waits: number[] = [];
  for (const username of ['one', 'two', 'three', 'four', 'five']) {
    await subscribe(username, groups.silver);
    await openSession(app, username);
    await call('/removeUserSubscription', { username });
    const committedAt = performance.now();
    const find = () => nas.requests.find(({ attributes }) => attributes['User-Name'] === username);
    await waitUntil(() => find() !== undefined);
    waits.push(find()!.receivedAt - committedAt);
  }
  // By polls alone, each would wait for nearly a second: the last poll was the one that sent the request before it.
  const [, , median] = waits.toSorted((one, other) => one - other);
  expect(median).toBeLessThan(500);
});

test('a subscription that has not started has no session, and its removal disconnects none', async () => {
  await subscribe('ali', groups.gold, '2100-01-01T00:00:00Z');
  await openSession(app, 'ali@gold');
  await call('/removeUserSubscription', { username: 'ali' });
  expect(await readUsers()).toStrictEqual([]);
});

test('the audit log has no event of a request, and a subscription in it no column of the requests', async () => {
  await subscribe('ali', groups.gold);
  await openSession(app, 'ali@gold');
  await call('/moveSubscribers', { fromGroupId: groups.gold, toGroupId: groups.silver });
  await call('/removeUserSubscription', { username: 'ali' });
  await readRequests();
  const { body } = await app.post('/auditEvents', { first: 10 });
  const events = body.data.auditEvents.nodes.slice(0, 4);
  expect(events.map(({ operation }: { operation: string }) => operation)).toStrictEqual([
    'removeUserSubscription',
    'subscribe',
    'removeUserSubscription',
    'moveSubscribers',
  ]);
  expect(events[2].before).toStrictEqual({
    username: 'ali',
    groupId: groups.silver,
    startsAt: expect.any(String),
    expiresAt: null,
  });
});
