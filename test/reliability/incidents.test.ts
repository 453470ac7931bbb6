import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { openCountingProxy, type CountingProxy } from '../support/counting-proxy.ts';
import { findMetricsUrl } from '../support/metrics.ts';
import { hasPrometheus, startPrometheus, type Prometheus } from '../support/prometheus.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { plainGroup, testKey } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { waitUntil } from '../support/wait-until.ts';
import { openReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts';

// Incidents, and the alerts of docs/prometheus-alerts.yml in a real Prometheus, with shorter times.
jest.setTimeout(300_000);

const rules = readFileSync('docs/prometheus-alerts.yml', 'utf8')
  .replaceAll(/for: \S+/g, 'for: 1s')
  .replaceAll(/\[\d+[mh]\]/g, '[5s]');
const poolSize = 5;
const maxRequests = 30;
const describeWithPrometheus = hasPrometheus ? describe : describe.skip;

describeWithPrometheus('an incident fires its alert (skipped without the package prometheus)', () => {
  let database: TestDatabase;
  let proxy: CountingProxy;
  let receiver: WebhookReceiver;
  let server: ServerProcess;
  let url: string;
  let prometheus: Prometheus;

  beforeAll(async () => {
    database = await createTestDatabase();
    proxy = await openCountingProxy(database.url);
    receiver = await openReceiver();
    server = startServer({
      DATABASE_URL: proxy.url,
      DATABASE_POOL_SIZE: String(poolSize),
      MAX_CONCURRENT_REQUESTS: String(maxRequests),
      MAX_EVENT_LOOP_DELAY_MS: '60000',
      ADMIN_API_KEY: testKey,
      METRICS_PORT: '0',
      WEBHOOK_ALLOW_HTTP: 'true',
      WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
    });
    ({ url } = await server.ready);
    prometheus = await startPrometheus([new URL(findMetricsUrl(server.stderr())!).host], rules);
  });
  afterAll(async () => {
    await prometheus?.close();
    server.kill('SIGTERM');
    await server.exited;
    await receiver.close();
    await proxy.close();
    await database.drop();
  });

  const post = async (path: string, body: object): Promise<number> => {
    const headers = { 'Content-Type': 'application/json', 'X-APIKEY': testKey };
    const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    await response.text();
    return response.status;
  };
  /** Sends requests with a number of clients, until the function that is returned is called. */
  const startLoad = (clients: number) => {
    const stopping = new AbortController();
    const work = async () => {
      // A rejected request is repeated after a pause, as clients do.
      while (!stopping.signal.aborted) if ((await post('/allGroups', {})) === 503) await sleep(50);
    };
    const working = Promise.all(Array.from({ length: clients }, work));
    return async () => {
      stopping.abort();
      await working;
    };
  };
  /** Locks the table of groups: every request that reads it waits. */
  const lockGroups = async () => {
    const locker = await openSecondConnection(database);
    await locker.query('BEGIN');
    await locker.query('LOCK TABLE groups IN ACCESS EXCLUSIVE MODE');
    return locker;
  };
  const fires = (alert: string) => waitUntil(async () => (await prometheus.firing()).includes(alert));
  const ends = (alert: string) => waitUntil(async () => !(await prometheus.firing()).includes(alert));

  test('the database is stopped: GroupApiDatabaseUnavailable, which ends after its return', async () => {
    const port = Number(new URL(proxy.url).port);
    await proxy.close();
    await fires('GroupApiDatabaseUnavailable');
    proxy = await openCountingProxy(database.url, port);
    await ends('GroupApiDatabaseUnavailable');
    expect(await post('/allGroups', {})).toBe(200);
  });

  test('all connections of the pool wait for a lock: GroupApiPoolExhausted, and no alert about the database or overload', async () => {
    const locker = await lockGroups();
    const stop = startLoad(4 * poolSize);
    await fires('GroupApiPoolExhausted');
    const firing = await prometheus.firing();
    await locker.close();
    await stop();
    expect(firing).not.toContain('GroupApiDatabaseUnavailable');
    expect(firing).not.toContain('GroupApiOverload');
    await ends('GroupApiPoolExhausted');
  });

  test('more requests than MAX_CONCURRENT_REQUESTS: GroupApiOverload', async () => {
    const locker = await lockGroups();
    const stop = startLoad(2 * maxRequests);
    await fires('GroupApiOverload');
    await locker.close();
    await stop();
    await ends('GroupApiOverload');
  });

  test('the receiver of a webhook is unavailable: GroupApiWebhookFailing, and not GroupApiEventsNotRead', async () => {
    const { environment, run } = createCommandLine(() => database);
    Object.assign(environment, { WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' });
    expect((await run('webhooks', 'create', receiver.url)).code).toBe(0);
    receiver.reply = () => ({ status: 503 });
    expect(await post('/createGroup', { group: plainGroup })).toBe(200);
    await fires('GroupApiWebhookFailing');
    expect(await prometheus.firing()).not.toContain('GroupApiEventsNotRead');
    receiver.reply = () => ({ status: 204 });
    // The next attempt for the first group may be minutes away; one for another group shows that the receiver is back.
    expect(await post('/createGroup', { group: plainGroup })).toBe(200);
    await ends('GroupApiWebhookFailing');
  });
});
