import { afterEach, expect, test } from '@jest/globals';
import { acknowledge, createAccountingDatabase, openNas, openSession, reject } from '../support/nas.ts';
import { useTestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

const nas = await openNas();
const app = useTestApp({ RADIUS_DISCONNECT: true, RADIUS_CHANGE: 'coa', RADIUS_COA_PORT: nas.port }, () =>
  createAccountingDatabase([nas]),
);
afterEach(async () => {
  await app.sql('DELETE FROM freeradius.radacct; DELETE FROM radius_deliveries; DELETE FROM subscribers');
  nas.requests.length = 0;
  nas.respond = (request) => [acknowledge(request, nas.secret)];
});

const call = async (path: string, body: object) => {
  const { status, body: answer } = await app.post(path, body);
  expect([status, answer.errors]).toStrictEqual([200, undefined]);
};
const readDeliveries = () =>
  app.sql(`SELECT status, attempts, request, response, error_cause FROM radius_deliveries ORDER BY id`);
/** Makes a change that one session receives, and returns the requests of it. */
const readRequestsOf = async (change: () => Promise<void>) => {
  await app.sql('DELETE FROM radius_deliveries');
  nas.requests.length = 0;
  await change();
  await waitUntil(async () =>
    (await readDeliveries()).some(({ status, attempts }) => status !== 'pending' || attempts === 1),
  );
  return nas.requests.map(({ code, attributes, isAuthentic }) => ({
    code,
    attributes: Object.fromEntries(
      Object.entries(attributes).filter(([name]) => name !== 'Message-Authenticator'),
    ),
    isAuthentic,
  }));
};
const session = { 'User-Name': 'ali', 'NAS-IP-Address': '127.0.0.1', 'Acct-Session-Id': 'ali' };
const disconnect = { code: 40, attributes: session, isAuthentic: true };

const subscribeAli = async (group: object, options: object = {}) => {
  const groupId = await app.createGroup(group);
  await call('/subscribe', { username: 'ali', groupId, expiresAt: '2100-01-01T00:00:00Z' });
  await openSession(app, 'ali', options);
  return groupId;
};

test('a move sends a CoA-Request with all attributes of the new plan', async () => {
  const from = await subscribeAli({ downloadUpload: '10/5' });
  const to = await app.createGroup({ downloadUpload: '100/20', multiLoginCount: 3 });
  expect(
    await readRequestsOf(() => call('/moveSubscribers', { fromGroupId: from, toGroupId: to })),
  ).toStrictEqual([
    {
      code: 43,
      isAuthentic: true,
      attributes: {
        ...session,
        'Mikrotik-Rate-Limit': '20M/100M',
        'WISPr-Bandwidth-Max-Down': '100000000',
        'WISPr-Bandwidth-Max-Up': '20000000',
        'Session-Timeout': expect.stringMatching(/^\d+$/),
      },
    },
  ]);
  expect(await readDeliveries()).toStrictEqual([
    { status: 'delivered', attempts: 1, request: 'coa', response: 'ack', error_cause: null },
  ]);
});

test('an edit of the speed sends a CoA-Request; with it the address of the session, if the plan has it', async () => {
  const group = { downloadUpload: '10/5', ip: '10.0.0.7' };
  const id = await subscribeAli(group, { framedAddress: '10.0.0.7' });
  const edit = () => call('/editGroup', { id, group: { downloadUpload: '20/5' } });
  expect(await readRequestsOf(edit)).toMatchObject([
    { code: 43, attributes: { 'Mikrotik-Rate-Limit': '5M/20M', 'Framed-IP-Address': '10.0.0.7' } },
  ]);
});

test.each([
  ['has no speed, since a CoA-Request cannot remove one', { downloadUpload: 'unlimited' }],
  ['has another quota', { dailyBandwidth: '1GB' }],
  ['has another address', { ip: '10.0.0.8' }],
  ['has another postfix', { usernamePostfix: '@new' }],
])('a session is disconnected if its plan, after an edit, %s', async (_, group) => {
  const id = await subscribeAli({ downloadUpload: '10/5' });
  expect(await readRequestsOf(() => call('/editGroup', { id, group }))).toStrictEqual([disconnect]);
});

test('a session with an address that is not that of the plan is disconnected', async () => {
  const id = await subscribeAli({ downloadUpload: '10/5', ip: '10.0.0.7' }, { framedAddress: '10.0.0.9' });
  const edit = () => call('/editGroup', { id, group: { downloadUpload: '20/5' } });
  expect(await readRequestsOf(edit)).toStrictEqual([disconnect]);
});

test('a removed subscriber is disconnected', async () => {
  await subscribeAli({ downloadUpload: '10/5' });
  const remove = () => call('/removeUserSubscription', { username: 'ali' });
  expect(await readRequestsOf(remove)).toStrictEqual([disconnect]);
});

test.each([undefined, 401, 405, 407, 508])(
  'a CoA-NAK with the Error-Cause %s is followed by a Disconnect-Request',
  async (cause) => {
    const id = await subscribeAli({ downloadUpload: '10/5' });
    nas.respond = (request) => [
      request.code === 43 ? reject(request, nas.secret, cause) : acknowledge(request, nas.secret),
    ];
    const requests = await readRequestsOf(() =>
      call('/editGroup', { id, group: { downloadUpload: '20/5' } }),
    );
    expect(requests).toMatchObject([{ code: 43 }, disconnect]);
    expect(await readDeliveries()).toMatchObject([
      { status: 'delivered', request: 'disconnect', response: 'ack' },
    ]);
  },
);

test.each([
  [503, 'delivered'],
  [506, 'pending'],
  [403, 'failed'],
])(
  'after a CoA-NAK with the Error-Cause %s, the delivery is %s, without a Disconnect-Request',
  async (cause, status) => {
    const id = await subscribeAli({ downloadUpload: '10/5' });
    nas.respond = (request) => [reject(request, nas.secret, cause)];
    const requests = await readRequestsOf(() =>
      call('/editGroup', { id, group: { downloadUpload: '20/5' } }),
    );
    expect(requests).toMatchObject([{ code: 43 }]);
    expect(await readDeliveries()).toStrictEqual([
      { status, attempts: 1, request: 'coa', response: 'nak', error_cause: cause },
    ]);
  },
);

test('several edits tell a session what the plan is in the end', async () => {
  const id = await subscribeAli({ downloadUpload: '10/5' });
  for (let speed = 20; speed < 30; speed++)
    await call('/editGroup', { id, group: { downloadUpload: `${speed}/5` } });
  await waitUntil(() => nas.requests.at(-1)?.attributes['Mikrotik-Rate-Limit'] === '5M/29M');
  expect(nas.requests.length).toBeLessThanOrEqual(10);
});

test('a request that is sent again, since it was lost, does not arrive after one of a later edit', async () => {
  const id = await subscribeAli({ downloadUpload: '10/5' });
  let isFirst = true;
  nas.respond = (request) => {
    if (!isFirst) return [acknowledge(request, nas.secret)];
    isFirst = false;
    return [];
  };
  await call('/editGroup', { id, group: { downloadUpload: '20/5' } });
  await waitUntil(() => nas.requests.length === 1);
  await call('/editGroup', { id, group: { downloadUpload: '30/5' } });
  await waitUntil(async () => {
    const [row] = await app.sql<{ count: number }>(
      `SELECT count(*)::int AS count FROM radius_deliveries WHERE status = 'delivered' AND username = 'ali'`,
    );
    return row!.count === 2;
  });
  const speeds = nas.requests.map(({ attributes }) => attributes['Mikrotik-Rate-Limit']);
  expect(speeds).toStrictEqual(['5M/20M', '5M/20M', '5M/30M']);
});
