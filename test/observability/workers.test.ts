import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { Agent, request } from 'node:http';
import { findMetricsUrl, readMetrics } from '../support/metrics.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { testKey } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { waitUntil } from '../support/wait-until.ts';

// The start of several processes takes long on a busy machine.
jest.setTimeout(300_000);

const workerCount = 2;
let database: TestDatabase;
let server: ServerProcess;
let url: string;
let metricsUrl: string;
beforeAll(async () => {
  database = await createTestDatabase();
  server = startServer({
    DATABASE_URL: database.url,
    ADMIN_API_KEY: testKey,
    WORKERS: String(workerCount),
    DATABASE_POOL_SIZE: '12',
    METRICS_PORT: '0',
    MAX_EVENT_LOOP_DELAY_MS: '60000',
    REQUEST_TIMEOUT_SECONDS: '120',
  });
  ({ url } = await server.ready);
  metricsUrl = findMetricsUrl(server.stderr())!;
});
afterAll(async () => {
  server.kill('SIGTERM');
  await server.exited;
  await database.drop();
});

const read = () => readMetrics(metricsUrl);
const series = 'group_api_requests_total{endpoint="operation",field="allGroups",code="OK"}';

/** Sends a request on a new connection, so that the next worker receives it. */
const call = () =>
  new Promise<void>((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json', 'X-APIKEY': testKey };
    request(`${url}/allGroups`, { method: 'POST', headers, agent: new Agent({ keepAlive: false }) })
      .on('response', (response) => response.resume().on('end', resolve))
      .on('error', reject)
      .end('{}');
  });
const callMany = async (count: number) => {
  for (let index = 0; index < count; index++) await call();
};
const workersOf = (pid: number) =>
  execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)])
    .toString()
    .trim()
    .split(/\s+/)
    .map(Number);
/** Those that the primary started as workers, not the `ps` that lists them. */
const workerIds = () =>
  workersOf(server.pid).filter((pid) => {
    try {
      return execFileSync('ps', ['-o', 'args=', '-p', String(pid)])
        .toString()
        .includes('worker.js');
    } catch {
      return false;
    }
  });

test('one /metrics has the sums of all workers, limits of all together, and what is stored once', async () => {
  await callMany(10);
  const samples = await read();
  expect({
    requests: samples.get(series),
    workers: samples.get('group_api_workers'),
    connections: samples.get('group_api_database_connections_max'),
    concurrent: samples.get('group_api_concurrent_requests_max'),
    available: samples.get('group_api_database_available'),
    pending: samples.get('group_api_webhook_deliveries_pending'),
    restarts: samples.get('group_api_worker_restarts_total'),
  }).toStrictEqual({
    requests: 10,
    workers: workerCount,
    // The primary has the twelfth.
    connections: expect.any(Number),
    concurrent: workerCount * 128,
    available: 1,
    pending: 0,
    restarts: 0,
  });
  expect(samples.get('group_api_database_connections_max')).toBeGreaterThanOrEqual(10);
  const builds = [...samples.keys()].filter((name) => name.startsWith('group_api_build_info'));
  expect(builds).toHaveLength(1);
});

test('the counts of a worker that was killed stay, those of its replacement are added', async () => {
  const before = (await read()).get(series)!;
  const [first] = workerIds();
  process.kill(first!, 'SIGKILL');
  await waitUntil(async () => (await read()).get('group_api_worker_restarts_total') === 1);
  expect((await read()).get(series)).toBe(before);
  await waitUntil(async () => (await read()).get('group_api_workers') === workerCount);
  await callMany(6);
  expect((await read()).get(series)).toBe(before + 6);
});

test('a worker that does not respond is not counted as serving; its counts stay, and it is there again afterwards', async () => {
  const before = (await read()).get(series)!;
  const [first] = workerIds();
  process.kill(first!, 'SIGSTOP');
  const without = await read();
  process.kill(first!, 'SIGCONT');
  expect([without.get(series), without.get('group_api_workers')]).toStrictEqual([before, workerCount - 1]);
  await waitUntil(async () => (await read()).get('group_api_workers') === workerCount);
  expect((await read()).get(series)).toBe(before);
});
