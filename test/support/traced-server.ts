import { afterAll, beforeEach } from '@jest/globals';
import { useServedApp, type Answer, type ServedApp } from './served-app.ts';
import { openCollector, type ReceivedSpan, type TraceCollector } from './trace-collector.ts';
import { waitUntil } from './wait-until.ts';

/** A server whose traces are on, and its collector. */
export type TracedServer = ServedApp & {
  readonly collector: TraceCollector;
  /** Waits for the first span of a request in this server. */
  rootOf(answer: Answer): Promise<ReceivedSpan>;
  /** The spans with a name. */
  named(name: string): ReceivedSpan[];
};

/** Starts a server whose spans are sent at once, for all tests of the file. Each test starts without spans. */
export function useTracedServer(settings: Record<string, string> = {}): TracedServer {
  const app = useServedApp(async () => {
    traced.collector = await openCollector();
    return {
      OTEL_EXPORTER_OTLP_ENDPOINT: traced.collector.url,
      OTEL_BSP_SCHEDULE_DELAY: '50',
      ...settings,
    };
  });
  const traced = app as { -readonly [Key in keyof TracedServer]: TracedServer[Key] };
  beforeEach(() => {
    traced.collector.spans.length = 0;
    traced.collector.texts.length = 0;
  });
  afterAll(() => traced.collector.close());

  traced.rootOf = async (answer) => {
    const { traceId } = await traced.lineOf(answer);
    const find = () => traced.collector.spans.find((span) => span.traceId === traceId && span.kind === 2);
    await waitUntil(() => find() !== undefined);
    return find()!;
  };
  traced.named = (name) => traced.collector.spans.filter((span) => span.name === name);
  return traced;
}
