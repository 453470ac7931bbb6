import { expect, test } from '@jest/globals';
import { createAccountingDatabase, openNas, type TestNas } from '../support/nas.ts';
import { useTestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

/** Two devices with the same port, at two addresses of the loopback interface. */
async function openTwo(): Promise<[TestNas, TestNas]> {
  for (;;) {
    const first = await openNas();
    try {
      return [first, await openNas({ address: '127.0.0.2', port: first.port })];
    } catch {
      // Another program has the port at the other address.
      await first.close();
    }
  }
}
const [quick, silent] = await openTwo();
silent.respond = () => [];
const app = useTestApp({ RADIUS: true, RADIUS_COA_PORT: quick.port, RADIUS_TIMEOUT_MS: 1000 }, () =>
  createAccountingDatabase([{ address: '127.0.0.0/8', secret: quick.secret }]),
);

test('a NAS receives at most 50 packets a second, and no other one waits for it, even if it is silent', async () => {
  const groupId = await app.createGroup();
  await app.sql(
    `INSERT INTO subscribers (group_id, username) SELECT $1, 'user ' || n FROM generate_series(1, 200) n`,
    [groupId],
  );
  await app.sql(
    `INSERT INTO freeradius.radacct (acctsessionid, acctuniqueid, username, nasipaddress)
     SELECT n, n, 'user ' || n, CASE WHEN n <= 80 THEN '127.0.0.2'::inet ELSE '127.0.0.1' END FROM generate_series(1, 200) n`,
  );
  const { status } = await app.post('/editGroup', { id: groupId, group: { downloadUpload: '1/1' } });
  expect(status).toBe(200);
  await waitUntil(() => quick.requests.length === 120);
  const unfinished = await app.sql<{ nas: string }>(
    `SELECT DISTINCT nas_address AS nas FROM radius_deliveries WHERE status = 'pending' AND attempts = 0`,
  );
  expect(unfinished.map((row) => row.nas)).toContain('127.0.0.2');

  for (const { requests } of [quick, silent]) {
    const times = requests.map(({ receivedAt }) => receivedAt);
    for (const [index, time] of times.entries()) {
      const later = times[index + 50];
      // The receiver of a busy machine reads several packets at a time.
      if (later !== undefined) expect(later - time).toBeGreaterThan(900);
    }
  }
  // Of those in flight at a time, each with its own identifier.
  expect(new Set(quick.requests.map(({ identifier }) => identifier)).size).toBe(120);
});

test('a NAS that did not respond to an attempt has four attempts at a time, until it responds', async () => {
  await waitUntil(
    async () =>
      (await app.sql(`SELECT FROM radius_deliveries WHERE attempts = 0 AND status = 'pending'`)).length <= 16,
  );
  const before = new Set(silent.requests.map(({ attributes }) => attributes['User-Name']));
  expect(before.size).toBeLessThanOrEqual(68);
  silent.respond = quick.respond;
  await waitUntil(
    async () =>
      (await app.sql(`SELECT FROM radius_deliveries WHERE attempts = 0 AND status = 'pending'`)).length === 0,
  );
  const names = silent.requests.map(({ attributes }) => attributes['User-Name']);
  expect(new Set(names).size).toBe(80);
});
