import { expect, test } from '@jest/globals';
import { hasFreeRadius } from '../support/freeradius.ts';
import { useRadiusApp } from '../support/radius-network.ts';

// What FreeRADIUS checks itself by the accounting of the NAS: simultaneous sessions and the daily quota.

const testIfInstalled = hasFreeRadius ? test : test.skip;
const app = useRadiusApp();

const subscribe = async (username: string, group: object): Promise<void> => {
  const groupId = await app.createGroup(group);
  const { status } = await app.post('/subscribe', { username, groupId });
  expect(status).toBe(200);
  await app.addPassword(username);
};
const codeOf = async (user: string) => (await app.signIn(user)).code;
const reply = (text: string) => ({
  code: 'Access-Reject',
  attributes: [`Reply-Message = ${JSON.stringify(text)}`],
});

testIfInstalled(
  'Simultaneous-Use rejects one session more than multiLoginCount, until one has ended',
  async () => {
    await subscribe('busy', { downloadUpload: '5/1', multiLoginCount: 2 });
    for (const session of ['first', 'second']) {
      expect(await codeOf('busy')).toBe('Access-Accept');
      expect((await app.account('busy', 'Start', session)).code).toBe('Accounting-Response');
    }
    expect(await app.signIn('busy')).toStrictEqual(reply('You are already logged in - access denied (2)'));
    await app.account('busy', 'Stop', 'first');
    expect(await codeOf('busy')).toBe('Access-Accept');
    // An edit applies to the next login.
    const [{ group_id: id }] = (await app.sql('SELECT group_id FROM subscribers WHERE username = $1', [
      'busy',
    ])) as [{ group_id: number }];
    await app.post('/editGroup', { id, group: { multiLoginCount: 1 } });
    expect(await codeOf('busy')).toBe('Access-Reject');
    await app.post('/editGroup', { id, group: { multiLoginCount: 0 } });
    expect(await codeOf('busy')).toBe('Access-Accept');
  },
);

const exhausted = reply('Your maximum daily usage time has been reached');

testIfInstalled(
  'the daily counter rejects a user at the quota, in both directions, and not below it',
  async () => {
    await subscribe('heavy', { downloadUpload: '5/1', dailyBandwidth: '1MB', multiLoginCount: 0 });
    await app.account('heavy', 'Start', 'one');
    await app.account('heavy', 'Interim-Update', 'one', {
      'Acct-Input-Octets': 600_000,
      'Acct-Session-Time': 60,
    });
    expect(await codeOf('heavy')).toBe('Access-Accept');
    await app.account('heavy', 'Stop', 'one', {
      'Acct-Input-Octets': 600_000,
      'Acct-Output-Octets': 399_999,
      'Acct-Session-Time': 120,
    });
    expect(await codeOf('heavy')).toBe('Access-Accept');
    await app.account('heavy', 'Start', 'two');
    await app.account('heavy', 'Interim-Update', 'two', { 'Acct-Output-Octets': 1, 'Acct-Session-Time': 1 });
    expect(await app.signIn('heavy')).toStrictEqual(exhausted);
  },
);

testIfInstalled('the daily counter counts beyond 32 bits', async () => {
  await subscribe('huge', { dailyBandwidth: '10GB', multiLoginCount: 0 });
  const traffic = (gigawords: number) =>
    app.account('huge', 'Interim-Update', 'one', {
      'Acct-Output-Gigawords': gigawords,
      'Acct-Output-Octets': 5,
      'Acct-Session-Time': 60,
    });
  await app.account('huge', 'Start', 'one');
  await traffic(2);
  expect(await codeOf('huge')).toBe('Access-Accept');
  await traffic(3);
  expect(await app.signIn('huge')).toStrictEqual(exhausted);
});

testIfInstalled('of a session over midnight, the part of today is estimated by time', async () => {
  await subscribe('nightly', { dailyBandwidth: '1MB', multiLoginCount: 0 });
  await app.account('nightly', 'Start', 'one');
  await app.account('nightly', 'Interim-Update', 'one', {
    'Acct-Output-Octets': 3_000_000,
    'Acct-Session-Time': 60,
  });
  expect(await app.signIn('nightly')).toStrictEqual(exhausted);
  // Midnight of FreeRADIUS, which runs in this test's time zone. The update is one hour after it.
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const startBefore = (hours: number) =>
    app.network.freeRadiusSql(
      `UPDATE radacct SET acctupdatetime = $1::timestamptz + interval '1 hour',
         acctstarttime = $1::timestamptz - make_interval(hours => $2) WHERE username = 'nightly'`,
      [midnight, hours],
    );
  // A quarter of 3 MB is today's, or a half.
  await startBefore(3);
  expect(await codeOf('nightly')).toBe('Access-Accept');
  await startBefore(1);
  expect(await app.signIn('nightly')).toStrictEqual(exhausted);
  await app.network.freeRadiusSql(
    `UPDATE radacct SET acctupdatetime = $1::timestamptz - interval '1 second' WHERE username = 'nightly'`,
    [midnight],
  );
  expect(await codeOf('nightly')).toBe('Access-Accept');
});
