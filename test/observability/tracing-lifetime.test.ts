import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { logLinesOf } from '../support/log-lines.ts';
import { startServer } from '../support/server-process.ts';
import { testKey } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { openCollector } from '../support/trace-collector.ts';
import { waitUntil } from '../support/wait-until.ts';

// From the start of a process to its end. Several processes take long on a busy machine.
jest.setTimeout(180_000);

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** Prints the loaded files of OpenTelemetry at the end of the process. */
const printFiles = `data:text/javascript,${encodeURIComponent(`
  import module from 'node:module';
  process.on('exit', () => {
    const files = Object.keys(module._cache).filter((name) => name.includes('@opentelemetry'));
    process.stderr.write('\\nfiles: ' + files.length + ' ' + files.find((name) => name.includes('/sdk-')) + '\\n');
  });
`)}`;

/** Replaces a package by one without the exports of the required version. */
const replacePackage = `data:text/javascript,${encodeURIComponent(`
  import { register } from 'node:module';
  register('data:text/javascript,' + encodeURIComponent(\`
    export const resolve = (name, context, next) =>
      name === '@opentelemetry/resources'
        ? { url: 'data:text/javascript,export%20class%20Resource%20{}', shortCircuit: true }
        : next(name, context);
  \`));
`)}`;

/** Starts a server, has it delete a group that does not exist, and stops it. Returns its log. */
async function serveOnce(settings: Record<string, string>, ...imports: string[]): Promise<string> {
  const server = startServer(
    { DATABASE_URL: database.url, ADMIN_API_KEY: testKey, ...settings },
    [printFiles, ...imports].flatMap((url) => ['--import', url]),
  );
  const { url } = await server.ready;
  const response = await fetch(`${url}/deleteGroup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-APIKEY': testKey },
    body: '{"id":2000000000}',
  });
  expect(response.status).toBe(404);
  await waitUntil(() => logLinesOf(server, 'request').length === 1);
  server.kill('SIGTERM');
  const { code, stderr } = await server.exited;
  expect(code).toBe(0);
  return stderr;
}

test.each([
  ['the variables of OpenTelemetry unset', {}],
  [
    'OTEL_TRACES_EXPORTER=none',
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_TRACES_EXPORTER: 'none' },
  ],
  [
    'OTEL_SDK_DISABLED=true',
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_SDK_DISABLED: 'true' },
  ],
])('with %s, a server loads no file of OpenTelemetry and has no trace ids', async (_, settings) => {
  const log = await serveOnce(settings);
  expect(log).toContain('files: 0 undefined');
  expect(log).not.toMatch(/traceId|traces/);
});

test.each(['1', '2'])(
  'with WORKERS=%s, the spans that were not sent yet are sent by a stop',
  async (workers) => {
    const collector = await openCollector();
    const log = await serveOnce({
      WORKERS: workers,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces`,
      OTEL_BSP_SCHEDULE_DELAY: '3600000',
      OTEL_SERVICE_NAME: 'plans',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    });
    await collector.close();
    const names = collector.spans.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['POST /deleteGroup', 'sign-in', 'deleteGroup', 'batch']));
    expect(collector.resource()).toMatchObject({
      'service.name': 'plans',
      'deployment.environment.name': 'test',
    });
    // The primary of several workers handles no requests.
    if (workers === '1') expect(log).toMatch(/files: \d+ \/\S+\/sdk-/);
  },
);

test.each([
  ['OTEL_EXPORTER_OTLP_PROTOCOL=grpc', { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 1],
  [
    'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc',
    { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'grpc' },
    1,
  ],
  ['OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf', { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' }, 0],
])(
  'with %s, traces are sent by HTTP; one warning names a protocol that is not supported',
  async (variable, settings, count) => {
    const collector = await openCollector();
    const log = await serveOnce({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...settings });
    await collector.close();
    const warning = `"level":40,.*"${variable} is not supported: traces are sent as JSON by HTTP.`;
    expect(log.match(new RegExp(warning, 'g')) ?? []).toHaveLength(count);
    expect(collector.spans.map(({ name }) => name)).toContain('POST /deleteGroup');
  },
);

test('with an incompatible version of a package, the log says what to install, and requests are served', async () => {
  const log = await serveOnce({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' }, replacePackage);
  expect(log).toContain('Traces are off, since packages are missing or have other versions');
});

test('a sampler of OTEL_TRACES_SAMPLER is honored', async () => {
  const collector = await openCollector();
  const log = await serveOnce({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_TRACES_SAMPLER: 'always_off',
  });
  await collector.close();
  expect(log).toMatch(/"traceId":"[0-9a-f]{32}"/);
  expect(collector.spans).toStrictEqual([]);
});

test('the span of a purge that fails is an error, without its message', async () => {
  await database.sql(`
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'planted by the test'; END $$;
    CREATE TRIGGER fail BEFORE DELETE ON webhook_deliveries FOR EACH STATEMENT EXECUTE FUNCTION fail()`);
  const collector = await openCollector();
  const log = await serveOnce({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
  await collector.close();
  await database.sql('DROP TRIGGER fail ON webhook_deliveries');
  expect(log).toContain('the purge of expired rows failed');
  expect(collector.spans.find(({ name }) => name === 'purge')).toMatchObject({
    isError: true,
    attributes: { 'group_api.outcome': 'failed' },
  });
  expect(collector.texts.join()).not.toContain('planted');
});

test('a collector that does not respond delays a stop by half a second only, and the log says that traces are lost', async () => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const log = await serveOnce({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
  });
  silent.close();
  expect(log).toContain('the last traces were not sent within 0.5 s');
});

test('a collector that cannot be reached is in the log, without a stack, and requests are served', async () => {
  const log = await serveOnce({
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    OTEL_BSP_SCHEDULE_DELAY: '20',
    OTEL_EXPORTER_OTLP_TIMEOUT: '100',
  });
  const lines = log.split('\n').filter((line) => line.includes('traces could not be sent'));
  expect(lines.length).toBeLessThan(2);
  expect(lines.join()).not.toMatch(/ at |node_modules/);
});
