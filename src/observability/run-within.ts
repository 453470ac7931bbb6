import { context, SpanStatusCode, type Context, type Span } from '@opentelemetry/api';
import { AppError, httpStatusOf, type ErrorCode } from '../errors.ts';

/**
 * Runs work while a span is active, and ends the span with its result: `describe` sets what is known by then. An error
 * is noted by its code only, since its message may contain values.
 */
export async function runWithin<T>(
  { span, context: spanContext }: { readonly span: Span; readonly context: Context },
  work: () => Promise<T>,
  describe: (span: Span, result: T | undefined) => void = () => undefined,
): Promise<T> {
  let result: T | undefined;
  try {
    result = await context.with(spanContext, work);
    return result;
  } catch (error) {
    setError(span, error instanceof AppError ? error.code : 'INTERNAL_SERVER_ERROR');
    throw error;
  } finally {
    describe(span, result);
    span.end();
  }
}

/** Notes an error code. A rejection is no failure of the server, which the status of a span would mean. */
export function setError(span: Span, code: ErrorCode): void {
  span.setAttribute('group_api.error_code', code);
  if (httpStatusOf(code) < 500) return;
  span.setAttribute('error.type', code);
  span.setStatus({ code: SpanStatusCode.ERROR });
}
