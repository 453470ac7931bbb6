import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import { logLinesOf } from './log-lines.ts';
import { startServer, type ServerProcess } from './server-process.ts';
import { plainGroup, testKey, type Json } from './test-app.ts';
import { createTestDatabase, type TestDatabase } from './test-database.ts';
import { openCollector, type ReceivedSpan, type TraceCollector } from './trace-collector.ts';
import { waitUntil } from './wait-until.ts';

type Answer = { readonly status: number; readonly requestId: string | null; readonly body: Json };

/** A server in a separate process, since the variables of OpenTelemetry are those of a process, and its collector. */
export type TracedServer = {
  readonly database: TestDatabase;
  readonly collector: TraceCollector;
  readonly process: ServerProcess;
  readonly httpUrl: string;
  post(path: string, body: object, headers?: Record<string, string>): Promise<Answer>;
  /** Creates a group and returns its id. */
  createGroup(group?: object): Promise<number>;
  /** Waits for the log line of a request. */
  lineOf(answer: Answer): Promise<Json>;
  /** Waits for the first span of a request in this server. */
  rootOf(answer: Answer): Promise<ReceivedSpan>;
  /** The spans with a name. */
  named(name: string): ReceivedSpan[];
};

/** Starts a server whose spans are sent at once, for all tests of the file. Each test starts without spans. */
export function useTracedServer(settings: Record<string, string> = {}): TracedServer {
  const traced = {} as { -readonly [Key in keyof TracedServer]: TracedServer[Key] };
  beforeAll(async () => {
    traced.database = await createTestDatabase();
    traced.collector = await openCollector();
    traced.process = startServer({
      DATABASE_URL: traced.database.url,
      ADMIN_API_KEY: testKey,
      OTEL_EXPORTER_OTLP_ENDPOINT: traced.collector.url,
      OTEL_BSP_SCHEDULE_DELAY: '50',
      // Not tests of overload: see openTestApp.
      MAX_EVENT_LOOP_DELAY_MS: '60000',
      REQUEST_TIMEOUT_SECONDS: '120',
      ...settings,
    });
    traced.httpUrl = (await traced.process.ready).url;
  });
  beforeEach(() => {
    traced.collector.spans.length = 0;
    traced.collector.texts.length = 0;
  });
  afterAll(async () => {
    traced.process.kill('SIGTERM');
    await traced.process.exited;
    await traced.collector.close();
    await traced.database.drop();
  });

  const find = async <T>(search: () => T | undefined): Promise<T> => {
    await waitUntil(() => search() !== undefined);
    return search()!;
  };
  return Object.assign(traced, {
    async post(path: string, body: object, headers: Record<string, string> = {}) {
      const response = await fetch(traced.httpUrl + path, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-APIKEY': testKey, ...headers },
        body: JSON.stringify(body),
      });
      const requestId = response.headers.get('x-request-id');
      return { status: response.status, requestId, body: await response.json() };
    },
    async createGroup(group: object = {}) {
      const { body } = await traced.post('/createGroup', { group: { ...plainGroup, ...group } });
      return body.data.createGroup.id as number;
    },
    lineOf: ({ requestId }: Answer) =>
      find(() => logLinesOf(traced.process, 'request').find((line) => line.requestId === requestId)),
    async rootOf(answer: Answer) {
      const { traceId } = await traced.lineOf(answer);
      return find(() => traced.collector.spans.find((span) => span.traceId === traceId && span.kind === 2));
    },
    named: (name: string) => traced.collector.spans.filter((span) => span.name === name),
  });
}
