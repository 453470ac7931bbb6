import { expect, test } from '@jest/globals';
import { hasFreeRadius } from '../support/freeradius.ts';
import { useRadiusApp } from '../support/radius-network.ts';
import type { Json } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

// Debian's FreeRADIUS with deploy/freeradius, on a database as docs/radius.md sets it up; radclient is the NAS.

const testIfInstalled = hasFreeRadius ? test : test.skip;
const app = useRadiusApp();
const rejected = { code: 'Access-Reject', attributes: [] };

const call = async (operation: string, args: object): Promise<Json> => {
  const { status, body } = await app.post(`/${operation}`, args);
  expect([status, body.errors]).toStrictEqual([200, undefined]);
  return body.data[operation];
};
const subscribe = (username: string, groupId: number, args: object = {}) =>
  call('subscribe', { username, groupId, ...args });
/** Creates a plan with one attribute, which is the response to its users. */
const createPlan = async (rate: number) => {
  const id = await app.createGroup({ downloadUpload: `${rate}/1` });
  return { id, accepted: { code: 'Access-Accept', attributes: repliesOf(rate, 1) } };
};
const repliesOf = (down: number, up: number) => [
  `Mikrotik-Rate-Limit = "${up}M/${down}M"`,
  `WISPr-Bandwidth-Max-Down = ${down}000000`,
  `WISPr-Bandwidth-Max-Up = ${up}000000`,
];

testIfInstalled(
  'a subscriber is accepted with exactly the attributes of the plan, by PAP and CHAP',
  async () => {
    const plan = {
      usernamePostfix: '@vip',
      downloadUpload: '50/10',
      dailyBandwidth: '10GB',
      multiLoginCount: 2,
      ip: '10.20.30.40',
    };
    const id = await app.createGroup(plan);
    const expiresAt = new Date(Date.now() + 3_600_000);
    await subscribe('ali', id, { expiresAt: expiresAt.toISOString() });
    await app.addPassword('ali@vip');

    const responses = [
      await app.signIn('ali@vip'),
      await app.signIn('ali@vip', { 'User-Password': undefined, 'CHAP-Password': 'password of ali@vip' }),
    ];
    const secondsLeft = (expiresAt.getTime() - Date.now()) / 1000;
    for (const { code, attributes } of responses) {
      const [address, rate, timeout, ...bandwidths] = attributes.toSorted();
      expect([code, address, rate, ...bandwidths]).toStrictEqual([
        'Access-Accept',
        'Framed-IP-Address = 10.20.30.40',
        ...repliesOf(50, 10),
      ]);
      const [, seconds] = /^Session-Timeout = (\d+)$/.exec(timeout!)!;
      expect(Number(seconds)).toBeGreaterThanOrEqual(Math.floor(secondsLeft));
      expect(Number(seconds)).toBeLessThanOrEqual(3600);
    }
  },
);

testIfInstalled('MS-CHAP is accepted with the attributes of the plan, and with its keys', async () => {
  const { id, accepted } = await createPlan(3);
  await subscribe('chapped', id);
  await app.addPassword('chapped');
  const signIn = (password: string) =>
    app.signIn('chapped', { 'User-Password': undefined, 'MS-CHAP-Password': password });
  const { code, attributes } = await signIn('password of chapped');
  expect([code, attributes]).toStrictEqual([accepted.code, expect.arrayContaining(accepted.attributes)]);
  expect((await signIn('wrong')).code).toBe('Access-Reject');
});

testIfInstalled('values without a limit have no attribute, and a block of addresses is a pool', async () => {
  const id = await app.createGroup({
    downloadUpload: 'unlimited',
    dailyBandwidth: '10 GB/day',
    ip: '10.9.0.0/16',
  });
  await subscribe('pooled', id);
  await app.addPassword('pooled');
  expect(await app.signIn('pooled')).toStrictEqual({
    code: 'Access-Accept',
    attributes: [`Framed-Pool = "group-${id}"`],
  });
});

testIfInstalled('a wrong password, and a user without a plan, are rejected without a reason', async () => {
  const { id, accepted } = await createPlan(5);
  await subscribe('mina', id);
  for (const user of ['mina', 'without-plan']) await app.addPassword(user);
  expect(await app.signIn('mina')).toStrictEqual(accepted);
  expect(await app.signIn('mina', { 'User-Password': 'wrong' })).toStrictEqual(rejected);
  expect(await app.signIn('without-plan')).toStrictEqual(rejected);
  await subscribe('not-yet', id, { startsAt: '2099-01-01T00:00:00Z' });
  await app.addPassword('not-yet');
  expect(await app.signIn('not-yet')).toStrictEqual(rejected);
});

testIfInstalled('the login after a removal is rejected', async () => {
  const { id, accepted } = await createPlan(6);
  await subscribe('removed', id);
  await app.addPassword('removed');
  expect(await app.signIn('removed')).toStrictEqual(accepted);
  await call('removeUserSubscription', { username: 'removed', groupId: id });
  expect(await app.signIn('removed')).toStrictEqual(rejected);
});

testIfInstalled('the login after an expiry is rejected, without a request to the server', async () => {
  const { id } = await createPlan(7);
  await subscribe('expiring', id, { expiresAt: new Date(Date.now() + 600_000).toISOString() });
  await app.addPassword('expiring');
  expect((await app.signIn('expiring')).code).toBe('Access-Accept');
  await app.sql(
    `UPDATE subscribers SET expires_at = now() + interval '3 seconds' WHERE username = 'expiring'`,
  );
  await waitUntil(async () => (await app.signIn('expiring')).code === 'Access-Reject');
});

testIfInstalled(
  'the login after moveSubscribers and editGroup gets the new plan and the new values',
  async () => {
    const [from, to] = [await createPlan(8), await createPlan(9)];
    await subscribe('moved', from.id);
    await app.addPassword('moved');
    expect(await app.signIn('moved')).toStrictEqual(from.accepted);
    await call('moveSubscribers', { fromGroupId: from.id, toGroupId: to.id });
    expect(await app.signIn('moved')).toStrictEqual(to.accepted);
    await call('editGroup', { id: to.id, group: { downloadUpload: '20/2' } });
    expect((await app.signIn('moved')).attributes).toStrictEqual(repliesOf(20, 2));
    await call('editGroup', { id: to.id, group: { downloadUpload: 'unlimited' } });
    expect(await app.signIn('moved')).toStrictEqual({ code: 'Access-Accept', attributes: [] });
  },
);

testIfInstalled(
  'the login after deleteGroup(moveSubscribersTo) gets the other plan, and after restoreGroup the first one again',
  async () => {
    const [deleted, target] = [await createPlan(11), await createPlan(12)];
    await subscribe('returning', deleted.id);
    await app.addPassword('returning');
    expect(await app.signIn('returning')).toStrictEqual(deleted.accepted);
    await call('deleteGroup', { id: deleted.id, moveSubscribersTo: target.id });
    expect(await app.signIn('returning')).toStrictEqual(target.accepted);
    await call('restoreGroup', { id: deleted.id, moveSubscribersBack: true });
    expect(await app.signIn('returning')).toStrictEqual(deleted.accepted);
  },
);

testIfInstalled('a retired plan works until it is deleted, and no longer', async () => {
  const { id, accepted } = await createPlan(13);
  await subscribe('loyal', id);
  await app.addPassword('loyal');
  await call('retireGroup', { id });
  expect(await app.signIn('loyal')).toStrictEqual(accepted);
  const other = await createPlan(14);
  await call('retireGroup', { id, moveSubscribersTo: other.id });
  await waitUntil(async () => (await app.sql('SELECT FROM groups WHERE id = $1', [id])).length === 0);
  expect(await app.signIn('loyal')).toStrictEqual(other.accepted);
});

testIfInstalled(
  'of several active plans of a user, the one that started last is read, and then the other',
  async () => {
    const [first, last] = [await createPlan(15), await createPlan(16)];
    // Not in the order of the ids.
    await subscribe('several', last.id);
    await subscribe('several', first.id, { startsAt: '2020-01-01T00:00:00Z' });
    await app.addPassword('several');
    expect(await app.signIn('several')).toStrictEqual(last.accepted);
    await call('removeUserSubscription', { username: 'several', groupId: last.id });
    expect(await app.signIn('several')).toStrictEqual(first.accepted);
  },
);

testIfInstalled.each(['زهرا', "o'neil", 'a+b#c=d', 'with space', '100%'])(
  'the name %s is compared as it is',
  async (name) => {
    const { id, accepted } = await createPlan(17);
    await subscribe(name, id);
    await app.addPassword(name);
    expect(await app.signIn(name)).toStrictEqual(accepted);
    expect(
      await app.network.freeRadiusSql('SELECT reply FROM radpostauth WHERE username = $1', [name]),
    ).toStrictEqual([{ reply: 'Access-Accept' }]);
  },
);

testIfInstalled(
  'FreeRADIUS stores no password of an attempt, and reads the plans as group_api_radius',
  async () => {
    await app.signIn('stranger', { 'User-Password': 'do not store' });
    const rows = await app.network.freeRadiusSql(
      'SELECT username, pass, reply FROM radpostauth WHERE username = $1',
      ['stranger'],
    );
    expect(rows).toStrictEqual([{ username: 'stranger', pass: null, reply: 'Access-Reject' }]);
    const users = await app.sql<{ usename: string }>(
      `SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name LIKE 'FreeRADIUS%' ORDER BY 1`,
    );
    expect(users.map(({ usename }) => usename)).toStrictEqual(['freeradius', 'group_api_radius']);
  },
);
