import { createSocket } from 'node:dgram';
import { afterEach, beforeAll, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import {
  acknowledge,
  createAccountingDatabase,
  openNas,
  openSession,
  reject,
  signResponse,
} from '../support/nas.ts';
import { useTestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

const nas = await openNas({ secret: 'only the NAS and the server know this' });
const app = useTestApp({ RADIUS: true, RADIUS_COA_PORT: nas.port, RADIUS_TIMEOUT_MS: 100 }, () =>
  createAccountingDatabase([nas]),
);
const { run } = createCommandLine(() => app);

let groupId: number;
beforeAll(async () => {
  groupId = await app.createGroup();
});
afterEach(async () => {
  await app.sql('DELETE FROM freeradius.radacct; DELETE FROM radius_deliveries');
  await app.sql(`UPDATE freeradius.nas SET nasname = '127.0.0.1', secret = $1`, [nas.secret]);
  nas.requests.length = 0;
  nas.respond = (request) => [acknowledge(request, nas.secret)];
});

/** Removes the subscriber of an open session. */
const removeAli = async ({ address = '127.0.0.1' } = {}) => {
  await app.post('/subscribe', { username: 'ali', groupId });
  await openSession(app, 'ali', { nas: address });
  expect((await app.post('/removeUserSubscription', { username: 'ali' })).status).toBe(200);
};
type Delivery = {
  status: string;
  attempts: number;
  request: string | null;
  response: string | null;
  error_cause: number | null;
  last_error: string | null;
};
const readDelivery = async () => {
  const rows = await app.sql<Delivery>(
    'SELECT status, attempts, request, response, error_cause, last_error FROM radius_deliveries',
  );
  return rows[0];
};
/** Waits for the end of an attempt, and returns the delivery. */
const waitForAttempt = async (attempts = 1) => {
  await waitUntil(async () => {
    const delivery = await readDelivery();
    return delivery !== undefined && (delivery.attempts >= attempts || delivery.status !== 'pending');
  });
  return readDelivery();
};
const makeDue = () =>
  app.sql(`UPDATE radius_deliveries SET next_attempt_at = now() WHERE status = 'pending'`);

test('without a response the same packet is sent four times; the next attempt is a new packet, and its ACK is the end', async () => {
  nas.respond = () => [];
  await removeAli();
  expect(await waitForAttempt()).toStrictEqual({
    status: 'pending',
    attempts: 1,
    request: 'disconnect',
    response: null,
    error_cause: null,
    last_error: expect.stringMatching(/^No valid response to the Disconnect-Request: the NAS is unreachable/),
  });
  expect(nas.requests).toHaveLength(4);
  const [first] = nas.requests;
  for (const { bytes } of nas.requests) expect(bytes.equals(first!.bytes)).toBe(true);
  // The delays double up to four times the first one; a busy machine receives the first packet late.
  expect(nas.requests[3]!.receivedAt - first!.receivedAt).toBeGreaterThan(400);
  const [next] = await app.sql<{ seconds: number }>(
    `SELECT extract(epoch FROM next_attempt_at - last_attempt_at)::float8 AS seconds FROM radius_deliveries`,
  );
  expect(next!.seconds).toBeGreaterThanOrEqual(60);
  expect(next!.seconds).toBeLessThanOrEqual(66);

  nas.respond = (request) => [acknowledge(request, nas.secret)];
  await makeDue();
  expect(await waitForAttempt(2)).toMatchObject({
    status: 'delivered',
    attempts: 2,
    response: 'ack',
    last_error: null,
  });
  expect(nas.requests).toHaveLength(5);
  expect(nas.requests[4]!.identifier).not.toBe(first!.identifier);
});

test('a response to a retransmission counts, and its duplicates have no effect', async () => {
  nas.respond = (request) => (nas.requests.length < 3 ? [] : Array(5).fill(acknowledge(request, nas.secret)));
  await removeAli();
  expect(await waitForAttempt()).toMatchObject({ status: 'delivered', attempts: 1, response: 'ack' });
  expect(nas.requests).toHaveLength(3);
});

test('datagrams that are not the response are dropped: another secret, identifier, code, garbage; the response after them counts', async () => {
  nas.respond = (request) => [
    Buffer.alloc(0),
    Buffer.alloc(4096, 41),
    acknowledge(request, 'another secret'),
    signResponse(41, (request.identifier + 1) % 256, Buffer.alloc(0), {
      request: request.bytes,
      secret: nas.secret,
    }),
    signResponse(44, request.identifier, Buffer.alloc(0), { request: request.bytes, secret: nas.secret }),
    reject(request, nas.secret, 503),
  ];
  await removeAli();
  expect(await waitForAttempt()).toMatchObject({
    status: 'delivered',
    response: 'nak',
    error_cause: 503,
    last_error: null,
  });
});

test('a valid response from another port than that of the NAS is dropped', async () => {
  const stranger = createSocket('udp4');
  nas.respond = (request) => {
    stranger.send(acknowledge(request, nas.secret), request.source.port, request.source.address);
    return [];
  };
  await removeAli();
  expect(await waitForAttempt()).toMatchObject({ status: 'pending', response: null });
  stranger.close();
});

test.each([
  [502, 'Request-Not-Routable (502)', 'pending'],
  [506, 'Resources-Unavailable (506)', 'pending'],
  [undefined, 'no Error-Cause', 'pending'],
  [402, 'Missing-Attribute (402)', 'failed'],
  [501, 'Administratively-Prohibited (501)', 'failed'],
])(
  'a Disconnect-NAK with the Error-Cause %s is an error with its name, %s; the delivery is %s',
  async (cause, name, status) => {
    nas.respond = (request) => [reject(request, nas.secret, cause)];
    await removeAli();
    expect(await waitForAttempt()).toStrictEqual({
      status,
      attempts: 1,
      request: 'disconnect',
      response: 'nak',
      error_cause: cause ?? null,
      last_error: `Disconnect-NAK: ${name}`,
    });
  },
);

test('an Error-Cause in the wrong byte order counts as none, and its result is stored', async () => {
  const cause = Buffer.from([101, 6, 0xf7, 1, 0, 0]);
  nas.respond = ({ code, identifier, bytes: request }) => [
    signResponse(code + 2, identifier, cause, { request, secret: nas.secret }),
  ];
  await removeAli();
  expect(await waitForAttempt()).toMatchObject({
    status: 'pending',
    response: 'nak',
    error_cause: null,
    last_error: 'Disconnect-NAK: no Error-Cause',
  });
});

test('a session that has ended before a retry receives no packet, and the delivery is done', async () => {
  nas.respond = () => [];
  await removeAli();
  await waitForAttempt();
  await app.sql('UPDATE freeradius.radacct SET acctstoptime = now()');
  nas.requests.length = 0;
  await makeDue();
  await waitUntil(async () => (await readDelivery())!.status !== 'pending');
  expect(await readDelivery()).toMatchObject({
    status: 'delivered',
    attempts: 1,
    request: null,
    last_error: null,
  });
  expect(nas.requests).toStrictEqual([]);
});

test('after ten attempts in a day a delivery has failed', async () => {
  nas.respond = (request) => [reject(request, nas.secret, 506)];
  await removeAli();
  await waitForAttempt();
  const delays: number[] = [];
  for (let attempts = 1; attempts < 10; attempts++) {
    const [row] = await app.sql<{ minutes: number }>(
      `SELECT extract(epoch FROM next_attempt_at - last_attempt_at)::float8 / 60 AS minutes FROM radius_deliveries`,
    );
    delays.push(row!.minutes);
    await makeDue();
    await waitForAttempt(attempts + 1);
  }
  for (const [index, least] of [1, 5, 15, 30, 60, 120, 240, 480, 480].entries()) {
    expect(delays[index]).toBeGreaterThanOrEqual(least);
    expect(delays[index]).toBeLessThanOrEqual(least * 1.1 + 0.1);
  }
  expect(await readDelivery()).toMatchObject({ status: 'failed', attempts: 10, error_cause: 506 });
});

test.each([
  ['no row', `UPDATE freeradius.nas SET nasname = '10.0.0.1'`, 'The table nas has no row for 127.0.0.2'],
  [
    'no secret',
    `UPDATE freeradius.nas SET nasname = '127.0.0.2', secret = ''`,
    'The table nas has no secret for 127.0.0.2',
  ],
])('a session at a NAS with %s in nas waits for one', async (_, change, error) => {
  await app.sql(change);
  await removeAli({ address: '127.0.0.2' });
  expect(await waitForAttempt()).toMatchObject({ status: 'pending', request: null, last_error: error });
});

test('the secret of a NAS is in no table but nas, and the commands print none', async () => {
  nas.respond = (request) => [reject(request, nas.secret, 402)];
  await removeAli();
  await waitForAttempt();
  const tables = await app.sql<{ name: string }>(
    `SELECT oid::regclass::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')`,
  );
  for (const { name } of tables)
    expect(await app.sql(`SELECT FROM ${name} t WHERE strpos(t::text, $1) > 0`, [nas.secret])).toStrictEqual(
      [],
    );
  for (const args of [[], ['--json']]) {
    const { stdout, stderr, code } = await run('radius', 'deliveries', ...args);
    expect([code, stderr]).toStrictEqual([0, '']);
    expect(stdout).toContain('Missing-Attribute (402)');
    expect(stdout).not.toContain(nas.secret);
  }
});

test('radius deliveries prints pages as JSON, with --failed only those that failed', async () => {
  nas.respond = (request) => [reject(request, nas.secret, 402)];
  await removeAli();
  await waitForAttempt();
  const { stdout } = await run('radius', 'deliveries', '--failed', '--json', '--count');
  const { deliveries, totalCount } = JSON.parse(stdout);
  expect(totalCount).toBe(1);
  expect(deliveries).toStrictEqual([
    {
      id: expect.stringMatching(/^\d+$/),
      eventId: expect.stringMatching(/^\d+-0-\d+$/),
      eventType: 'subscriber.removed',
      eventAt: expect.any(String),
      username: 'ali',
      sessionId: 'ali',
      nasAddress: '127.0.0.1',
      status: 'failed',
      attempts: 1,
      nextAttemptAt: null,
      lastAttemptAt: expect.any(String),
      request: 'disconnect',
      response: 'nak',
      errorCause: 402,
      lastError: 'Disconnect-NAK: Missing-Attribute (402)',
      finishedAt: expect.any(String),
    },
  ]);
});

test('radius redeliver sends again what has failed; an id that does not exist changes nothing', async () => {
  nas.respond = (request) => [reject(request, nas.secret, 402)];
  await removeAli();
  await waitForAttempt();
  const [row] = await app.sql<{ id: string }>('SELECT id::text FROM radius_deliveries');
  const { id } = row!;
  nas.respond = (request) => [acknowledge(request, nas.secret)];
  const { code, stderr } = await run('radius', 'redeliver', id, '999999999');
  expect([code, stderr]).toStrictEqual([1, expect.stringContaining('There is no delivery 999999999')]);
  expect(await readDelivery()).toMatchObject({ status: 'failed' });
  expect(await run('radius', 'redeliver', id)).toMatchObject({
    code: 0,
    stdout: '1 request will be sent again\n',
  });
  await waitUntil(async () => (await readDelivery())!.status === 'delivered');
  const failedOnes = await run('radius', 'deliveries', '--failed');
  expect(failedOnes.stdout).not.toContain('Missing-Attribute');
});
