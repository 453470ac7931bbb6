import { beforeAll, expect, test } from '@jest/globals';
import { readMetrics } from '../support/metrics.ts';
import { acknowledge, createAccountingDatabase, openNas, openSession, reject } from '../support/nas.ts';
import { findFreePort } from '../support/tcp-postgres.ts';
import { useTestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

const nas = await openNas({ secret: 'only the NAS and the server know this' });
const metricsPort = await findFreePort();
const app = useTestApp(
  { RADIUS: true, RADIUS_COA_PORT: nas.port, RADIUS_TIMEOUT_MS: 50, METRICS_PORT: metricsPort },
  () => createAccountingDatabase([nas]),
);
const url = `http://127.0.0.1:${metricsPort}/metrics`;

let groupId: number;
beforeAll(async () => {
  groupId = await app.createGroup();
});

/** Removes the subscriber of an open session, and waits for the end of the attempt to disconnect it. */
const disconnect = async (username: string, address = '127.0.0.1') => {
  await app.post('/subscribe', { username, groupId });
  await openSession(app, username, { nas: address });
  expect((await app.post('/removeUserSubscription', { username })).status).toBe(200);
  await waitUntil(async () => {
    const [delivery] = await app.sql<{ isPending: boolean }>(
      `SELECT status = 'pending' AND attempts = 0 AS "isPending" FROM radius_deliveries WHERE session_id = $1`,
      [username],
    );
    return delivery?.isPending === false;
  });
};

test('attempts have the kind of their request and their outcome; what waits for a retry and what has failed is counted', async () => {
  nas.respond = (request) => [acknowledge(request, nas.secret)];
  await disconnect('confirmed');
  nas.respond = (request) => [reject(request, nas.secret, 402)];
  await disconnect('rejected');
  nas.respond = (request) => [reject(request, nas.secret, 503)];
  await disconnect('unknown');
  nas.respond = () => [];
  await disconnect('silent');
  await disconnect('elsewhere', '127.0.0.2');

  const pending = 'group_api_radius_deliveries_pending{attempt="retry"}';
  // The number of waiting deliveries is read every few seconds.
  await waitUntil(async () => (await readMetrics(url)).get(pending) === 2);
  const samples = await readMetrics(url);
  const radius = [...samples].filter(([series]) =>
    /^group_api_radius_(?!attempt_duration_seconds_(?:bucket|sum))/.test(series),
  );
  expect(Object.fromEntries(radius)).toStrictEqual({
    'group_api_radius_attempts_total{kind="disconnect",outcome="ack"}': 1,
    'group_api_radius_attempts_total{kind="disconnect",outcome="nak"}': 1,
    'group_api_radius_attempts_total{kind="disconnect",outcome="session-not-found"}': 1,
    'group_api_radius_attempts_total{kind="disconnect",outcome="no-response"}': 1,
    'group_api_radius_attempts_total{kind="none",outcome="not-sent"}': 1,
    'group_api_radius_attempt_duration_seconds_count{result="success"}': 2,
    'group_api_radius_attempt_duration_seconds_count{result="failure"}': 2,
    'group_api_radius_deliveries_pending{attempt="first"}': 0,
    [pending]: 2,
    'group_api_radius_deliveries_total{outcome="delivered"}': 2,
    'group_api_radius_deliveries_total{outcome="failed"}': 1,
  });
  // The packet was sent again after 50, 100 and 200 ms, and waited for 200 ms more.
  expect(
    samples.get('group_api_radius_attempt_duration_seconds_sum{result="failure"}'),
  ).toBeGreaterThanOrEqual(0.5);
});

test('a session that has ended needs no request; the metrics have no secret, user name or address of a NAS', async () => {
  await app.sql(`UPDATE freeradius.radacct SET acctstoptime = now()`);
  await app.sql(`UPDATE radius_deliveries SET next_attempt_at = now() WHERE status = 'pending'`);
  const ended = 'group_api_radius_attempts_total{kind="none",outcome="session-ended"}';
  await waitUntil(async () => (await readMetrics(url)).get(ended) === 2);
  const text = await (await fetch(url)).text();
  for (const secret of [nas.secret, 'elsewhere', '127.0.0.'])
    expect([secret, text.includes(secret)]).toStrictEqual([secret, false]);
});
