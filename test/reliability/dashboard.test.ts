import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { findMetricsUrl } from '../support/metrics.ts';
import { createAccountingDatabase, openNas, openSession } from '../support/nas.ts';
import { hasPrometheus, startPrometheus, type Prometheus } from '../support/prometheus.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { plainGroup, testKey, type Json } from '../support/test-app.ts';
import type { TestDatabase } from '../support/test-database.ts';
import { waitUntil } from '../support/wait-until.ts';
import { openReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts';

// A real Prometheus that scrapes two servers, one with TLS and WORKERS. Their starts take long on a busy machine.
jest.setTimeout(300_000);

type Query = { readonly panel: string; readonly expression: string };

const dashboard: Json = JSON.parse(readFileSync('docs/grafana-dashboard.json', 'utf8'));
const certificates = fileURLToPath(new URL('../support/certificates/', import.meta.url));
const queries: readonly Query[] = dashboard.panels.flatMap(({ title, targets = [] }: Json) =>
  targets.map(({ expr }: Json) => ({
    panel: title,
    expression: expr
      .replaceAll('$job', 'group-api')
      .replaceAll('$instance', '.*')
      .replaceAll('$__rate_interval', '10s'),
  })),
);
const describeWithPrometheus = hasPrometheus ? describe : describe.skip;

describeWithPrometheus('the dashboard (skipped without the package prometheus)', () => {
  let database: TestDatabase;
  let receiver: WebhookReceiver;
  let prometheus: Prometheus;
  const servers: ServerProcess[] = [];
  let url: string;

  const open = async (settings: Record<string, string>) => {
    const server = startServer({
      DATABASE_URL: database.url,
      ADMIN_API_KEY: testKey,
      METRICS_PORT: '0',
      MAX_EVENT_LOOP_DELAY_MS: '60000',
      WEBHOOK_ALLOW_HTTP: 'true',
      WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
      ...settings,
    });
    servers.push(server);
    const ready = await server.ready;
    return { url: ready.url, target: new URL(findMetricsUrl(server.stderr())!).host };
  };

  beforeAll(async () => {
    const nas = await openNas();
    database = await createAccountingDatabase([nas]);
    receiver = await openReceiver();
    const plain = await open({ RADIUS: 'true', RADIUS_COA_PORT: String(nas.port) });
    const withTls = await open({
      WORKERS: '2',
      TLS_CERT_FILE: `${certificates}first.crt`,
      TLS_KEY_FILE: `${certificates}first.key`,
    });
    url = plain.url;
    const { environment, run } = createCommandLine(() => database);
    Object.assign(environment, { WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' });
    expect((await run('webhooks', 'create', receiver.url)).code).toBe(0);
    await database.sql('ANALYZE');
    prometheus = await startPrometheus([plain.target, withTls.target]);
  });
  afterAll(async () => {
    await prometheus?.close();
    for (const server of servers) server.kill('SIGTERM');
    await Promise.all(servers.map(({ exited }) => exited));
    await receiver.close();
    await database.drop();
  });

  const post = async (path: string, body: object, headers: Record<string, string> = {}): Promise<Json> => {
    const response = await fetch(url + path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-APIKEY': testKey, ...headers },
      body: JSON.stringify(body),
    });
    return response.json();
  };
  const load = async () => {
    const groups: Json[] = await Promise.all(
      Array.from({ length: 4 }, async () => post('/createGroup', { group: plainGroup })),
    );
    const ids = groups.map(({ data }) => data.createGroup.id);
    const username = `user-${ids[0]}`;
    await post('/subscribe', { username, groupId: ids[0] });
    await openSession(database, username);
    await post('/removeUserSubscription', { username });
    await Promise.all(ids.map((id) => post('/deleteGroup', { id }, { 'Idempotency-Key': `k${id}` })));
    await post('/deleteGroup', { id: ids[0] }, { 'Idempotency-Key': `k${ids[0]}` });
    await post('/deleteGroup', { id: ids[0] });
    await post('/graphql', { query: '{ allGroups { id } registrationGroups { id } }' });
  };
  const hasData = async ({ expression }: Query) =>
    (await prometheus.query(expression)).some(({ value }) => Number.isFinite(value));

  test('each query of each panel has data, without an error, after some load', async () => {
    let missing = queries;
    await waitUntil(
      async () => {
        await load();
        const results = await Promise.all(missing.map(hasData));
        missing = missing.filter((_, index) => !results[index]);
        return missing.length === 0;
      },
      // Rates need several scrapes, and a purge runs once a minute.
      { timeoutMs: 120_000 },
    ).catch((error: unknown) => {
      throw new Error(
        `without data: ${missing.map(({ panel, expression }) => `${panel}: ${expression}`).join('\n')}`,
        {
          cause: error,
        },
      );
    });
    expect(queries.length).toBeGreaterThan(50);
  });

  test('both servers are scraped, that with WORKERS as one target', async () => {
    expect(await prometheus.query('up{job="group-api"}')).toHaveLength(2);
    expect((await prometheus.query('sum(up)'))[0]!.value).toBe(2);
    const workers = await prometheus.query('group_api_workers');
    expect(new Set(workers.map(({ value }) => value))).toStrictEqual(new Set([1, 2]));
    expect(await prometheus.query('group_api_tls_certificate_expiry_timestamp_seconds')).toHaveLength(1);
    const ranges = await prometheus.queryRange('sum(rate(group_api_deletes_total[10s]))', 5);
    expect(ranges).toHaveLength(1);
  });
});
