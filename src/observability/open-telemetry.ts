import { setTimeout as sleep } from 'node:timers/promises';
import { context, diag, DiagLogLevel, propagation, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ConsoleSpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import type { Config } from '../config/settings.ts';
import type { Logger } from '../log.ts';
import { setTracer } from '../measurements/tracer.ts';
import { createSpanTracer } from './spans.ts';

// Loaded only while tracing is on: its packages are optional, and many.

/** Tracing while it is on. */
export type Tracing = {
  /** Sends the spans that are not sent yet, within half a second, and turns tracing off. Never throws. */
  close(): Promise<void>;
};

/** With the 8 s of the requests, less than the 9 s of a worker for its end: metrics and database close after it. */
const flushTimeoutMs = 500;
/** The minimum time between two log lines about spans that could not be sent. */
const warnIntervalMs = 60_000;

/**
 * Starts OpenTelemetry. Its SDK reads the rest of its settings itself: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
 * OTEL_TRACES_SAMPLER, OTEL_BSP_…, and the URL, headers and certificates of the exporter.
 */
export function startOpenTelemetry(
  { OTEL_TRACES_EXPORTER: exporter = 'otlp' }: Pick<Config, 'OTEL_TRACES_EXPORTER'>,
  log: Logger,
): Tracing {
  logDiagnostics(log);
  const provider = new NodeTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'group-api' }))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [
      exporter === 'console'
        ? new SimpleSpanProcessor(new ConsoleSpanExporter())
        : new BatchSpanProcessor(new OTLPTraceExporter()),
    ],
  });
  // Active spans by AsyncLocalStorage, and the header `traceparent`.
  provider.register();
  setTracer(createSpanTracer(provider.getTracer('group-api')));
  log.info({ exporter }, 'traces are on');

  return {
    async close() {
      setTracer(undefined);
      const flushed = provider.shutdown().then(
        () => true,
        () => true,
      );
      const hasEnded = await Promise.race([flushed, sleep(flushTimeoutMs, false, { ref: false })]);
      if (!hasEnded) log.warn(`the last traces were not sent within ${flushTimeoutMs / 1000} s`);
      for (const registry of [trace, context, propagation, diag]) registry.disable();
    },
  };
}

/** Logs problems of the SDK, such as a collector that cannot be reached: at most one a minute. */
function logDiagnostics(log: Logger): void {
  let nextAt = 0;
  const warn = (message: string) => {
    if (Date.now() < nextAt) return;
    nextAt = Date.now() + warnIntervalMs;
    log.warn({ reason: readMessage(message) }, 'traces could not be sent');
  };
  const ignore = () => undefined;
  const logger = { error: warn, warn, info: ignore, debug: ignore, verbose: ignore };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}

/** The SDK passes errors as JSON, with their stack. */
function readMessage(text: string): string {
  const [, message] = /"message":"((?:[^"\\]|\\.)*)"/.exec(text) ?? [];
  return message ?? text;
}
