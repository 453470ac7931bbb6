import type { IncomingHttpHeaders } from 'node:http';
import type { JobOutcome } from './channels.ts';
import type { RequestSummary, RequestTrace } from './request-summary.ts';

// The spans of a trace, by hand: observability/ records them with OpenTelemetry while tracing is on. Otherwise there is
// no tracer, and a caller does nothing for it: not even a closure is created.

/** The request whose trace begins. */
type TracedRequest = {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly summary: Readonly<RequestSummary>;
};

/** The result of an attempt to send a webhook. */
type AttemptOutcome = { readonly isSuccess: boolean; readonly status: number | null };

/** Records spans. */
export type Tracer = {
  /** Begins the span of a request, as a child of the one in its `traceparent`. */
  startRequest(request: TracedRequest): RequestTrace;
  /**
   * Executes the statement of a batch within a span that is linked to all requests that the batch carries. It belongs
   * to the trace of the first one that is sampled.
   */
  runBatch<T>(requests: readonly (RequestTrace | undefined)[], statement: () => Promise<T>): Promise<T>;
  /**
   * Executes a statement within a span, if it is part of an operation, a batch or a job: the polls of the background
   * work would be noise. The summary has no values: see `summarizeStatement`.
   */
  runStatement<T>(summary: string, statement: () => Promise<T>): Promise<T>;
  /** Makes an attempt to send a webhook within the only span of a new trace. */
  runAttempt<T extends AttemptOutcome>(
    attempt: { readonly webhookId: number; readonly eventType: string },
    send: () => Promise<T>,
  ): Promise<T>;
  /** Executes a background job, which does not throw, within the first span of a new trace. */
  runJob(name: 'purge', job: () => Promise<JobOutcome>): Promise<JobOutcome>;
  /** Binds a callback to no trace: for work in the background that a request wakes. */
  detach<Arguments extends unknown[]>(callback: (...args: Arguments) => void): (...args: Arguments) => void;
};

/** The tracer of this process while tracing is on. */
export let tracer: Tracer | undefined;

/** Turns tracing on, or off with undefined. */
export function setTracer(next: Tracer | undefined): void {
  tracer = next;
}
