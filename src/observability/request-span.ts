import {
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Span,
  type Tracer as SpanTracer,
} from '@opentelemetry/api';
import type { RequestSummary, RequestTrace } from '../measurements/request-summary.ts';
import type { Tracer } from '../measurements/tracer.ts';
import { beginWith, runWithin, setError, type OpenSpan } from './run-within.ts';

/** The trace of a request with its spans, for the batch that carries the request. */
export type OpenRequestTrace = RequestTrace & {
  readonly request: OpenSpan;
  /** Undefined until the operation begins. */
  readonly operation: OpenSpan | undefined;
  readonly isSampled: boolean;
};

/** The methods that the semantic conventions of HTTP allow as values. */
const knownMethods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];

/**
 * Begins the span of a request, in the trace of its `traceparent`; of its baggage nothing is used.
 * @see https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server
 */
export function startRequestTrace(
  tracer: SpanTracer,
  { method, headers, summary }: Parameters<Tracer['startRequest']>[0],
): OpenRequestTrace {
  const begin = beginWith(tracer);
  const caller = propagation.extract(ROOT_CONTEXT, headers);
  const knownMethod = knownMethods.includes(method) ? method : undefined;
  const request = begin(knownMethod ?? 'HTTP', { kind: SpanKind.SERVER }, caller);
  const { traceId, traceFlags } = request.span.spanContext();
  let signIn: Span | undefined;
  let operation: OpenSpan | undefined;

  return {
    traceId,
    request,
    get operation() {
      return operation;
    },
    isSampled: (traceFlags & TraceFlags.SAMPLED) !== 0,

    startSignIn() {
      const { span } = begin('sign-in', {}, request.context);
      signIn = span;
      return (isSuccess) => {
        // The request may have ended, and its sign-in with it.
        if (signIn !== span) return;
        span.setAttribute('group_api.is_success', isSuccess).end();
        signIn = undefined;
      };
    },

    runOperation(work) {
      operation = begin('operation', {}, request.context);
      return runWithin(operation, work, (span) => {
        span.updateName(summary.rootFields.length === 1 ? summary.rootFields[0]! : 'operation');
        span.setAttribute('group_api.root_fields', [...summary.rootFields]);
        if (summary.errorCode) setError(span, summary.errorCode);
      });
    },

    end() {
      // A sign-in that failed by throwing, or whose client has gone.
      signIn?.setAttribute('group_api.is_success', false).end();
      signIn = undefined;
      describeRequest(request.span, knownMethod, summary);
      request.span.end();
    },
  };
}

function describeRequest(span: Span, method: string | undefined, summary: Readonly<RequestSummary>): void {
  const { route, status, isAborted, errorCode, endpoint, isReplayed, batchSize, waitMs, statementMs } =
    summary;
  span.updateName([method ?? 'HTTP', route].filter(Boolean).join(' '));
  span.setAttributes({
    'http.request.method': method ?? '_OTHER',
    'http.route': route,
    'http.response.status_code': status,
    'group_api.endpoint': endpoint,
    'group_api.is_replayed': isReplayed || undefined,
    'group_api.is_aborted': isAborted || undefined,
    'group_api.batch_size': batchSize || undefined,
    'group_api.wait_ms': batchSize > 0 ? waitMs : undefined,
    'group_api.statement_ms': statementMs || undefined,
    'group_api.error_code': errorCode,
  });
  if (status === undefined || status < 500) return;
  span.setAttribute('error.type', errorCode ?? String(status));
  span.setStatus({ code: SpanStatusCode.ERROR });
}
