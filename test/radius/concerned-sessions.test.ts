import { expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { openSession } from '../support/nas.ts';
import { useSessionApp } from '../support/session-app.ts';

// Which of several changes, and of several sessions, an event concerns.

const { app, groups, subscribe, call, readRequests, readUsers } = await useSessionApp();
const { run } = createCommandLine(() => app);

test('an edit of a text that RADIUS reads as the same value disconnects no session', async () => {
  const groupId = await app.createGroup({
    downloadUpload: '20/5',
    dailyBandwidth: '10GB',
    ip: '10.1.0.0/16',
  });
  await subscribe('ali', groupId);
  await openSession(app, 'ali');
  for (const group of [
    { downloadUpload: '20M/5M' },
    { dailyBandwidth: '10 GB' },
    { dailyBandwidth: '10000' },
    { ip: '10.2.0.0/16' },
  ])
    await call('/editGroup', { id: groupId, group });
  expect(await readUsers()).toStrictEqual([]);
});

test('a session that started after an edit or a move has the new plan, and is not disconnected by its event', async () => {
  const [from, to, edited] = [await app.createGroup(), await app.createGroup(), await app.createGroup()];
  await subscribe('moving', from);
  await subscribe('ali', edited);
  for (const name of ['moving', 'ali'])
    for (const [id, minutes] of Object.entries({ before: -1, soon: 4, after: 10 })) {
      await openSession(app, name, { id: `${name} ${id}` });
      await app.sql(
        `UPDATE freeradius.radacct SET acctstarttime = now() + $2 * interval '1 minute' WHERE acctsessionid = $1`,
        [`${name} ${id}`, minutes],
      );
    }
  await call('/moveSubscribers', { fromGroupId: from, toGroupId: to });
  await call('/editGroup', { id: edited, group: { downloadUpload: '20/5' } });
  const ids = (await readRequests()).map(({ attributes }) => attributes['Acct-Session-Id']);
  expect(ids.map(String).toSorted()).toStrictEqual([
    'ali before',
    'ali soon',
    'moving before',
    'moving soon',
  ]);
});

/** Makes changes whose events are read as one page. */
const readTogether = async (change: () => Promise<void>) => {
  await app.sql(`UPDATE radius_feed SET sender = 'another', sender_until = now() + interval '1 hour'`);
  await change();
  await app.sql('UPDATE radius_feed SET sender = NULL');
};

test.each<[string, (groupId: number) => Promise<void>]>([
  ['an edit of the postfix', (id) => call('/editGroup', { id, group: { usernamePostfix: '@second' } })],
  [
    'two edits of the postfix',
    async (id) => {
      await call('/editGroup', { id, group: { usernamePostfix: '@second' } });
      await call('/editGroup', { id, group: { usernamePostfix: '@third' } });
    },
  ],
  ['a move', (id) => call('/moveSubscribers', { fromGroupId: id, toGroupId: groups.silver })],
  [
    'an edit of the postfix and a move',
    async (id) => {
      await call('/editGroup', { id, group: { usernamePostfix: '@second' } });
      await call('/moveSubscribers', { fromGroupId: id, toGroupId: groups.silver });
    },
  ],
  ['a delete that moves', (id) => call('/deleteGroup', { id, moveSubscribersTo: groups.silver })],
])(
  'a removal directly after %s disconnects the session with the first user name, and no other',
  async (_, change) => {
    const groupId = await app.createGroup({ usernamePostfix: '@first' });
    await subscribe('ali', groupId);
    for (const name of ['ali@first', 'ali@gold']) await openSession(app, name);
    await readTogether(async () => {
      await change(groupId);
      await call('/removeUserSubscription', { username: 'ali' });
    });
    expect(await readUsers()).toStrictEqual(['ali@first']);
  },
);

test('a removal directly before an edit of the postfix disconnects the session', async () => {
  const groupId = await app.createGroup({ usernamePostfix: '@first' });
  await subscribe('ali', groupId);
  await openSession(app, 'ali@first');
  await readTogether(async () => {
    await call('/removeUserSubscription', { username: 'ali' });
    await call('/editGroup', { id: groupId, group: { usernamePostfix: '@second' } });
  });
  expect(await readUsers()).toStrictEqual(['ali@first']);
});

test('of two plans that started at the same time, a change of the one that RADIUS reads disconnects the session', async () => {
  const [first, second] = [await app.createGroup(), await app.createGroup()];
  for (const id of [first, second]) await subscribe('ali', id, '2026-01-01T00:00:00Z');
  await openSession(app, 'ali');
  await call('/editGroup', { id: first, group: { downloadUpload: '1/1' } });
  await call('/removeUserSubscription', { username: 'ali', groupId: first });
  expect(await readUsers()).toStrictEqual([]);
  await call('/editGroup', { id: second, group: { downloadUpload: '1/1' } });
  expect(await readUsers()).toStrictEqual(['ali']);
});

test('an erasure changes the text of the cursor, so that a page of events that was read before is read again; sending continues', async () => {
  await readRequests();
  const readCursor = async () =>
    (await app.sql<{ cursor: string }>('SELECT cursor FROM radius_feed'))[0]!.cursor;
  const before = await readCursor();
  expect(await run('subscribers', 'erase', 'mina', '--yes')).toMatchObject({ code: 0 });
  expect(await readCursor()).toMatch(new RegExp(`^${before}-erased-[0-9a-f]{24}$`));
  await subscribe('ali', groups.gold);
  await openSession(app, 'ali@gold');
  await call('/removeUserSubscription', { username: 'ali' });
  expect(await readUsers()).toStrictEqual(['ali@gold']);
});
