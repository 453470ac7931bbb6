import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readConfig } from '../../src/config/load-config.ts';
import * as channels from '../../src/measurements/channels.ts';
import { metrics } from '../../src/observability/metrics/metric-table.ts';
import type { Metric } from '../../src/observability/metrics/metric.ts';
import { familiesOf, readMetrics, type Samples } from '../support/metrics.ts';
import { checkMetrics, hasPrometheus } from '../support/prometheus.ts';
import { findFreePort } from '../support/tcp-postgres.ts';
import { openTestApp, testKey, type TestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

let app: TestApp;
let url: string;
beforeAll(async () => {
  const port = await findFreePort();
  app = await openTestApp({ METRICS_PORT: port });
  url = `http://127.0.0.1:${port}/metrics`;
});
afterAll(() => app.close());

const testWithPromtool = hasPrometheus ? test : test.skip;

/** Runs calls, and returns by how much series have changed. */
async function changesBy(calls: () => Promise<unknown>): Promise<(series: string) => number> {
  const before = await readMetrics(url);
  await calls();
  const after: Samples = await readMetrics(url);
  return (series) => (after.get(series) ?? 0) - (before.get(series) ?? 0);
}

describe('the endpoint /metrics', () => {
  test('serves each metric of the table, and no other, with its type, as text', async () => {
    const response = await fetch(url, {
      headers: {
        Accept: 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
      },
    });
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const expected = Object.entries<Metric>(metrics).map(([name, { type }]) => [name, type]);
    expect([...familiesOf(await response.text())]).toStrictEqual(expected);
  });

  testWithPromtool(
    'passes `promtool check metrics` without a remark (skipped without promtool)',
    async () => {
      await app.post('/allGroups', {});
      expect(await checkMetrics(await (await fetch(url)).text())).toBe('');
    },
  );

  test('rejects other paths with 404 and other methods with 405; HEAD has no body', async () => {
    const origin = new URL(url).origin;
    for (const path of ['/', '/metrics/', '/graphql', '/livez'])
      expect((await fetch(origin + path)).status).toBe(404);
    const posted = await fetch(url, { method: 'POST', body: '{}' });
    expect([posted.status, posted.headers.get('allow')]).toStrictEqual([405, 'GET, HEAD']);
    const head = await fetch(url, { method: 'HEAD' });
    expect([head.status, await head.text()]).toStrictEqual([200, '']);
    expect(Number(head.headers.get('content-length'))).toBeGreaterThan(1000);
  });

  test('is not served by the port of the API, which does not serve /graphql there either', async () => {
    expect((await app.send('/metrics')).status).toBe(404);
  });
});

describe('counts', () => {
  test('requests have their endpoint, root field and the code of their first error', async () => {
    const id = await app.createGroup();
    const changeOf = await changesBy(async () => {
      await app.graphql('query ($id: Int!) { group(id: $id) { id } }', { id });
      await app.graphql('{ allGroups { id } registrationGroups { id } }');
      await app.graphql('{ __typename }');
      await app.post('/group', { id: 999_999 });
      await app.post('/deleteGroup', { id: 999_999 });
      await app.send('/graphql', { headers: { 'X-APIKEY': 'wrong' } });
      await app.send('/noSuchPath');
      await app.send('/livez');
      await app.send('/');
      await app.post('/api/v4/autodialer/groups/search', {});
    });
    const requests = (endpoint: string, field: string, code: string) =>
      changeOf(`group_api_requests_total{endpoint="${endpoint}",field="${field}",code="${code}"}`);
    expect({
      single: requests('graphql', 'group', 'OK'),
      several: requests('graphql', 'several', 'OK'),
      introspection: requests('graphql', '__typename', 'OK'),
      operation: requests('operation', 'group', 'OK') + requests('operation', 'group', 'NOT_FOUND'),
      missing: requests('operation', 'deleteGroup', 'NOT_FOUND'),
      unauthenticated: requests('graphql', 'none', 'UNAUTHENTICATED'),
      unknown: requests('other', 'none', 'PATH_NOT_FOUND'),
      health: requests('health', 'none', 'OK'),
      page: requests('page', 'none', 'OK'),
      autodialer: requests('autodialer', 'autodialer/groups/search', 'OK'),
      signIns: changeOf('group_api_failed_sign_ins_total{credential="token"}'),
      durations: changeOf(
        'group_api_request_duration_seconds_count{endpoint="operation",field="deleteGroup"}',
      ),
    }).toStrictEqual({
      single: 1,
      several: 1,
      introspection: 1,
      operation: 1,
      missing: 1,
      unauthenticated: 1,
      unknown: 1,
      health: 1,
      page: 1,
      autodialer: 1,
      signIns: 1,
      durations: 1,
    });
  });

  test('deletes have their outcome; replays, conflicts, batches, waits and statements are counted', async () => {
    const ids = await Promise.all(Array.from({ length: 6 }, () => app.createGroup()));
    const [first, second, third, fourth, fifth, sixth] = ids;
    const key = { 'Idempotency-Key': 'metrics' };
    const changeOf = await changesBy(async () => {
      await app.post('/deleteGroup', { id: first }, key);
      await app.post('/deleteGroup', { id: first }, key);
      await app.post('/deleteGroup', { id: second }, key);
      await Promise.all([second, third].map((id) => app.post('/deleteGroup', { id })));
      await app.post('/deleteGroup', { id: third });
      await app.post('/deleteGroup', { id: fourth, dryRun: true });
      await app.post('/deleteGroups', { ids: [fifth, sixth] });
    });
    const deletes = (operation: string, outcome: string) =>
      changeOf(`group_api_deletes_total{operation="${operation}",outcome="${outcome}"}`);
    expect({
      done: deletes('deleteGroup', 'done'),
      replayed: deletes('deleteGroup', 'replayed'),
      reused: deletes('deleteGroup', 'IDEMPOTENCY_KEY_REUSED'),
      missing: deletes('deleteGroup', 'NOT_FOUND'),
      dryRun: deletes('deleteGroup', 'dry-run'),
      several: deletes('deleteGroups', 'done'),
      replays: changeOf('group_api_idempotency_replays_total'),
      conflicts: changeOf('group_api_idempotency_conflicts_total{code="IDEMPOTENCY_KEY_REUSED"}'),
      inBatches: changeOf('group_api_delete_batch_size_sum{kind="joint"}'),
      waits: changeOf('group_api_delete_wait_seconds_count'),
    }).toStrictEqual({
      done: 3,
      replayed: 1,
      reused: 1,
      missing: 1,
      dryRun: 1,
      several: 1,
      replays: 1,
      conflicts: 1,
      inBatches: 6,
      waits: 6,
    });
    expect(changeOf('group_api_delete_statement_seconds_count{kind="joint"}')).toBe(
      changeOf('group_api_delete_batch_size_count{kind="joint"}'),
    );
    expect(changeOf('group_api_delete_statement_seconds_sum{kind="joint"}')).toBeGreaterThan(0);
  });
});

describe('gauges', () => {
  test('have the pool, limits, tables, partitions, webhooks, versions and the purge of the running server', async () => {
    await waitUntil(async () =>
      (await readMetrics(url)).has('group_api_purge_last_success_timestamp_seconds'),
    );
    const samples = await readMetrics(url);
    const value = (series: string) => samples.get(series);
    expect({
      available: value('group_api_database_available'),
      standby: value('group_api_database_standby'),
      connections: value('group_api_database_connections_max'),
      waiting: value('group_api_database_waiting'),
      requests: value('group_api_concurrent_requests_max'),
      subscriptions: value('group_api_open_subscriptions'),
      pending: value('group_api_webhook_deliveries_pending'),
      lag: value('group_api_event_lag_seconds{stage="read"}'),
      retired: value('group_api_retired_groups_due'),
      workers: value('group_api_workers'),
    }).toStrictEqual({
      available: 1,
      standby: 0,
      connections: 10,
      waiting: 0,
      requests: 128,
      subscriptions: 0,
      pending: 0,
      lag: 0,
      retired: 0,
      workers: 1,
    });
    expect(value('group_api_table_bytes{table="audit_events"}')).toBeGreaterThan(100_000);
    const twoMonths = 61 * 86_400;
    expect(value('group_api_partitions_end_timestamp_seconds{table="audit_events"}')).toBeGreaterThan(
      Date.now() / 1000 + twoMonths,
    );
    expect([...samples.keys()]).toContainEqual(
      expect.stringMatching(/^group_api_build_info\{version="\d+\.\d+\.\d+",node_version="\d+\.\d+\.\d+"\}$/),
    );
    expect(value('process_start_time_seconds')).toBeLessThan(Date.now() / 1000);
    expect(samples.has('group_api_tls_certificate_expiry_timestamp_seconds')).toBe(false);
  });

  test('an estimate of rows appears after ANALYZE, without those of partitions twice; the catalogue is read again after a while', async () => {
    const port = await findFreePort();
    await app.sql('ANALYZE');
    const [{ count }] = (await app.sql<{ count: number }>(
      'SELECT count(*)::int AS count FROM audit_events',
    )) as [{ count: number }];
    const second = await openTestApp(
      { METRICS_PORT: port },
      { url: app.url, sql: app.sql, drop: async () => undefined },
    );
    const samples = await readMetrics(`http://127.0.0.1:${port}/metrics`);
    await second.close();
    expect(samples.get('group_api_table_rows{table="audit_events"}')).toBe(count);
  });
});

describe('the port of the metrics', () => {
  test('a port that is in use, or an address that the machine does not have, is a problem for the operator', async () => {
    const used = Number(new URL(url).port);
    await expect(openTestApp({ METRICS_PORT: used })).rejects.toThrow(
      `listens on 127.0.0.1:${used}. Set METRICS_PORT to another port (0 selects any free port)`,
    );
    await expect(openTestApp({ METRICS_PORT: 0, METRICS_HOST: '192.0.2.1' })).rejects.toThrow(
      'METRICS_HOST must be an address of this machine, not 192.0.2.1',
    );
    expect(() => readConfig({ ADMIN_API_KEY: testKey, METRICS_PORT: '70000' }, false)).toThrow(
      'METRICS_PORT must be a whole number from 0 to 65535, not "70000"',
    );
  });

  test('a server that is closed closes the port, and ends every measurement', async () => {
    const port = await findFreePort();
    const closing = await openTestApp({ METRICS_PORT: port });
    await app.close();
    expect(channels.requestFinished.hasSubscribers).toBe(true);
    await closing.close();
    await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow('fetch failed');
    const open = Object.values(channels).filter(({ hasSubscribers }) => hasSubscribers);
    expect(open).toStrictEqual([]);
    const unmeasured = await openTestApp();
    const subscribed = Object.values(channels).filter(({ hasSubscribers }) => hasSubscribers);
    await unmeasured.close();
    expect(subscribed).toStrictEqual([]);
    app = await openTestApp({ METRICS_PORT: Number(new URL(url).port) });
  });
});
