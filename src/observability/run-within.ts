import {
  context,
  SpanStatusCode,
  trace,
  type Context,
  type Span,
  type SpanOptions,
  type Tracer,
} from '@opentelemetry/api';
import { AppError, httpStatusOf, type ErrorCode } from '../errors.ts';

/** A span, and the context within which its children begin. */
export type OpenSpan = { readonly span: Span; readonly context: Context };

/** Returns the function that begins a span of a tracer, as a child of the one in a context. */
export function beginWith(tracer: Tracer): (name: string, options: SpanOptions, parent: Context) => OpenSpan {
  return (name, options, parent) => {
    const span = tracer.startSpan(name, options, parent);
    return { span, context: trace.setSpan(parent, span) };
  };
}

/**
 * Runs work while a span is active, and ends the span with its result: `describe` sets what is known by then. An error
 * is noted by its code only, since its message may contain values; by `describeError` if it is set.
 */
export async function runWithin<T>(
  { span, context: spanContext }: OpenSpan,
  work: () => Promise<T>,
  describe: (span: Span, result: T | undefined) => void = () => undefined,
  describeError: (span: Span, error: unknown) => void = setErrorOf,
): Promise<T> {
  let result: T | undefined;
  try {
    result = await context.with(spanContext, work);
    return result;
  } catch (error) {
    describeError(span, error);
    throw error;
  } finally {
    describe(span, result);
    span.end();
  }
}

function setErrorOf(span: Span, error: unknown): void {
  setError(span, error instanceof AppError ? error.code : 'INTERNAL_SERVER_ERROR');
}

/** Notes an error code. A rejection is no failure of the server, which the status of a span would mean. */
export function setError(span: Span, code: ErrorCode): void {
  span.setAttribute('group_api.error_code', code);
  if (httpStatusOf(code) < 500) return;
  span.setAttribute('error.type', code);
  span.setStatus({ code: SpanStatusCode.ERROR });
}
