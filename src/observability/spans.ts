import {
  context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Span,
  type Tracer as SpanTracer,
} from '@opentelemetry/api';
import { isPrismaError, recordNotFound, sqlStateOf } from '../database/prisma-error.ts';
import { AppError } from '../errors.ts';
import type { RequestTrace } from '../measurements/request-summary.ts';
import type { Tracer } from '../measurements/tracer.ts';
import { startRequestTrace, type OpenRequestTrace } from './request-span.ts';
import { beginWith, runWithin, setError } from './run-within.ts';

// Names and attributes follow the semantic conventions of OpenTelemetry; what they do not have begins with
// `group_api.`. Values are from closed sets: no SQL, no parameters, no names of users, no paths that clients choose.

/** Creates the tracer that records spans. */
export function createSpanTracer(tracer: SpanTracer): Tracer {
  const begin = beginWith(tracer);

  return {
    startRequest: (request) => startRequestTrace(tracer, request),

    runBatch(requests, statement) {
      const carried = requests.filter(isOpen);
      const leading = carried.find(({ isSampled }) => isSampled) ?? carried[0];
      // Without the span of the request whose event happened to start the batch.
      if (!leading?.operation) return context.with(ROOT_CONTEXT, statement);
      const links = carried.map(({ request }) => ({ context: request.span.spanContext() }));
      const attributes = { 'group_api.batch_size': requests.length };
      const batch = begin('batch', { links, attributes }, leading.operation.context);
      for (const { operation } of carried) {
        // The traces of the other requests lead to it.
        if (operation !== leading.operation) operation?.span.addLink({ context: batch.span.spanContext() });
      }
      return runWithin(batch, statement);
    },

    runStatement(summary, statement) {
      const active = context.active();
      // An operation that has ended is not recording: its context lives on in the timers that it has set.
      if (!trace.getSpan(active)?.isRecording()) return statement();
      const attributes = { 'db.system.name': 'postgresql', 'db.query.summary': summary };
      const span = begin(summary, { kind: SpanKind.CLIENT, attributes }, active);
      return runWithin(span, statement, undefined, setStatementError);
    },

    runAttempt({ webhookId, eventType }, send) {
      const attributes = {
        'http.request.method': 'POST',
        'group_api.webhook_id': webhookId,
        'group_api.event_type': eventType,
      };
      const attempt = begin('webhook attempt', { kind: SpanKind.CLIENT, attributes }, ROOT_CONTEXT);
      return runWithin(attempt, send, (span, result) => {
        if (result?.status) span.setAttribute('http.response.status_code', result.status);
        if (result?.isSuccess) return;
        span.setAttribute('error.type', String(result?.status ?? 'no_response'));
        span.setStatus({ code: SpanStatusCode.ERROR });
      });
    },

    runJob: (name, job) =>
      runWithin(begin(name, {}, ROOT_CONTEXT), job, (span, outcome) => {
        if (outcome === undefined) return;
        span.setAttribute('group_api.outcome', outcome);
        // One that was blocked is repeated, as is usual.
        if (outcome === 'failed' || outcome === 'unavailable') span.setStatus({ code: SpanStatusCode.ERROR });
      }),

    detach: (callback) => context.bind(ROOT_CONTEXT, callback),
  };
}

/** PostgreSQL's codes of a constraint that rejects a row, and of a conflict, whose transaction is repeated. */
const rejection = /^(23|40|55P03)/;

/** Notes the error of a statement: one that the caller expects has its code, and is no failure. */
function setStatementError(span: Span, error: unknown): void {
  const sqlState = sqlStateOf(error);
  if (sqlState !== undefined) span.setAttribute('db.response.status_code', sqlState);
  if (isPrismaError(error, recordNotFound) || rejection.test(sqlState ?? '')) return;
  if (error instanceof AppError) setError(span, error.code);
  else
    span
      .setAttribute('error.type', sqlState ?? 'INTERNAL_SERVER_ERROR')
      .setStatus({ code: SpanStatusCode.ERROR });
}

function isOpen(request: RequestTrace | undefined): request is OpenRequestTrace {
  return request !== undefined;
}
