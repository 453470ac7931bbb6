import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { errorTable } from '../../src/errors.ts';
import { familiesOf, readMetrics, type Samples } from '../support/metrics.ts';
import { findFreePort } from '../support/tcp-postgres.ts';
import { createTestAccount } from '../support/test-accounts.ts';
import { openTestApp, testKey, type TestApp } from '../support/test-app.ts';

// Thousands of requests take long on a busy machine.
jest.setTimeout(300_000);

const total = 5000;
let app: TestApp;
let url: string;
const agent = new Agent({ keepAlive: true, maxSockets: 20 });
beforeAll(async () => {
  const port = await findFreePort();
  app = await openTestApp({ METRICS_PORT: port, FAILED_SIGN_INS_PER_MINUTE: 1_000_000 });
  url = `http://127.0.0.1:${port}/metrics`;
});
afterAll(async () => {
  agent.destroy();
  await app.close();
});

type HostileRequest = {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: object;
};

/** A name that no client has sent before, valid as a name of GraphQL. */
const newName = () => `x${randomBytes(9).toString('hex')}`;

/** Requests whose names the client chooses: one of each kind. */
const kinds: readonly (() => HostileRequest)[] = [
  () => ({ path: '/graphql', body: { query: `query ${newName()} { __typename }` } }),
  () => ({ path: '/graphql', body: { query: `{ ${newName()}: allGroups { id } }` } }),
  () => ({ path: '/graphql', body: { query: `{ ${newName()} { id } }` } }),
  () => ({ path: '/graphql', body: { query: `mutation { ${newName()}(id: 1) { id } }` } }),
  () => ({ path: '/graphql', body: { query: '{ allGroups { id } }', operationName: newName() } }),
  () => ({ path: `/${newName()}`, body: { id: 1 } }),
  () => ({ path: `/deleteGroup/${newName()}?${newName()}=1`, body: { id: 1 } }),
  () => ({ path: `/api/v4/autodialer/groups/${newName()}`, body: {} }),
  () => ({ path: '/deleteGroup', body: { [newName()]: 1 } }),
  () => ({ method: newName().toUpperCase(), path: '/graphql' }),
  () => ({ method: 'PROPFIND', path: `/${newName()}` }),
  () => ({ path: '/allGroups', headers: { 'X-APIKEY': newName().repeat(2) }, body: {} }),
  () => ({ path: '/allGroups', headers: { 'X-Request-Id': newName(), 'User-Agent': newName() }, body: {} }),
  () => ({ path: '/group', headers: { 'Idempotency-Key': newName() }, body: { id: 1 } }),
];

const send = ({ method = 'POST', path, headers, body }: HostileRequest) =>
  new Promise<void>((resolve) => {
    request(app.httpUrl + path, {
      method,
      agent,
      headers: { 'Content-Type': 'application/json', 'X-APIKEY': testKey, ...headers },
    })
      .on('response', (response) => response.resume().on('end', resolve))
      // The server closes the connection of a method that HTTP does not have.
      .on('error', () => resolve())
      .end(body === undefined ? undefined : JSON.stringify(body));
  });

/** Sends a number of requests, a few at a time, of all kinds in turn. */
async function sendMany(count: number): Promise<void> {
  let sent = 0;
  const work = async () => {
    while (sent < count) await send(kinds[sent++ % kinds.length]!());
  };
  await Promise.all(Array.from({ length: 20 }, work));
}

const seriesOf = (samples: Samples) => [...samples.keys()].toSorted();

test(`${total} requests with hostile names add no series, and none of their names is in the metrics`, async () => {
  // Otherwise autovacuum adds the estimates at some time.
  await app.sql('ANALYZE');
  await sendMany(10 * kinds.length);
  const { byKey } = await createTestAccount(app, { username: newName() });
  await app.post('/allGroups', {}, byKey);
  const before = await readMetrics(url);

  await sendMany(total);
  for (let count = 0; count < 20; count++) {
    const account = await createTestAccount(app, { username: newName() });
    await app.post('/allGroups', {}, account.byKey);
  }
  const after = await readMetrics(url);
  expect(seriesOf(after)).toStrictEqual(seriesOf(before));
  const requests = (samples: Samples) =>
    [...samples]
      .filter(([series]) => series.startsWith('group_api_requests_total{'))
      .reduce((sum, [, value]) => sum + value, 0);
  // Those with an unknown method end before there is a request.
  expect(requests(after) - requests(before)).toBeGreaterThan(total * 0.9);
});

test('each label has a value of its closed set', async () => {
  const text = await (await fetch(url)).text();
  const values = (label: string) =>
    new Set([...text.matchAll(new RegExp(`\\b${label}="([^"]*)"`, 'g'))].map(([, value]) => value!));
  const codes = ['OK', 'ABORTED', 'other', ...Object.keys(errorTable)];
  for (const code of values('code')) expect(codes).toContain(code);
  for (const endpoint of values('endpoint'))
    expect(['graphql', 'operation', 'autodialer', 'page', 'health', 'other']).toContain(endpoint);
  for (const field of values('field'))
    expect(field).toMatch(
      /^(?:__typename|allGroups|deleteGroup|group|none|several|createGroup|autodialer\/groups\/\w+)$/,
    );
  expect(familiesOf(text).size).toBeGreaterThan(40);
});
