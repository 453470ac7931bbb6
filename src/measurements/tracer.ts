import type { IncomingHttpHeaders } from 'node:http';
import type { RequestSummary } from './request-summary.ts';

// The spans of a trace, by hand: observability/ implements them with OpenTelemetry while tracing is on. Otherwise there
// is no tracer, and the code that would call one does nothing for it.

/** The trace of one request. */
export type RequestTrace = {
  /** 32 hexadecimal digits, as in `traceparent`. */
  readonly traceId: string;
  /** Begins the span of the sign-in, and returns the function that ends it. */
  startSignIn(): (isSuccess: boolean) => void;
  /** Executes the operation of the request within its span. */
  runOperation<T>(operation: () => Promise<T>): Promise<T>;
  /** Ends the span of the request. */
  end(summary: Readonly<RequestSummary>): void;
};

/** Records spans. A step within which no span is active has none: background work would be nothing but noise. */
export type Tracer = {
  /** Begins the span of a request, as a child of the one in its `traceparent`. */
  startRequest(request: { readonly method: string; readonly headers: IncomingHttpHeaders }): RequestTrace;
  /** Executes the statement of a batch in a span that is linked to all requests that the batch carries. */
  runBatch<T>(requests: readonly (RequestTrace | undefined)[], statement: () => Promise<T>): Promise<T>;
  /** Executes a statement within a span. The summary is its verb and its table: no text, no parameters. */
  runStatement<T>(summary: string, statement: () => Promise<T>): Promise<T>;
  /** Makes an attempt to send a webhook within the span of a new trace. */
  runAttempt<T extends { readonly status: number | null; readonly isSuccess: boolean }>(
    attempt: { readonly webhookId: number; readonly eventType: string },
    send: () => Promise<T>,
  ): Promise<T>;
  /** Executes a background job within the span of a new trace. */
  runJob<T>(name: 'purge', job: () => Promise<T>): Promise<T>;
};

/** The tracer of this process, while tracing is on. */
export let tracer: Tracer | undefined;

/** Turns tracing on, or off. */
export function setTracer(next: Tracer | undefined): void {
  tracer = next;
}
