import { GraphQLError, Kind, type GraphQLFormattedError } from 'graphql';
import { AppError, isErrorCode } from '../errors.ts';

/**
 * Turns whatever went wrong into what the caller may see: our own refusals and Apollo's complaints about the request as
 * they are, everything else as a masked internal error. Never a stack, SQL or another library's message.
 */
export function formatError(formatted: GraphQLFormattedError, error: unknown): GraphQLFormattedError {
  const { message, extensions = {}, ...place } = formatted;
  const refusal = unwrapAppError(error);
  if (refusal) {
    return { message: refusal.message, ...place, extensions: { code: refusal.code, ...refusal.details } };
  }
  const badArgument = nameBadArgument(error);
  if (badArgument !== undefined) {
    return { message, ...place, extensions: { code: 'BAD_USER_INPUT', argument: badArgument } };
  }
  if (extensions['validationErrorCode'] === 'INTROSPECTION_DISABLED') {
    return {
      message: 'Introspection is disabled (INTROSPECTION=false)',
      ...place,
      extensions: { code: extensions['code'] },
    };
  }
  if (isExpectedError(error)) return { message, ...place, extensions: { code: extensions['code'] } };
  return { message: 'Internal server error', ...place, extensions: { code: 'INTERNAL_SERVER_ERROR' } };
}

/** Tells whether an error is meant for the caller; any other is a fault of ours, to be logged. */
export function isExpectedError(error: unknown): boolean {
  if (unwrapAppError(error) || nameBadArgument(error) !== undefined) return true;
  const code = error instanceof GraphQLError ? error.extensions['code'] : undefined;
  return isErrorCode(code) && code !== 'INTERNAL_SERVER_ERROR';
}

/** Our own refusal behind an error, whether a resolver threw it or what stands before all resolvers. */
function unwrapAppError(error: unknown): AppError | undefined {
  const original = error instanceof GraphQLError ? error.originalError : error;
  return original instanceof AppError ? original : undefined;
}

/**
 * Names the argument whose value graphql-js itself refused, if that is what happened: `id` for a variable, `group.price`
 * for a place within one. graphql-js says it in its message and its nodes only.
 */
function nameBadArgument(error: unknown): string | undefined {
  if (!(error instanceof GraphQLError)) return undefined;
  const node = error.nodes?.[0];
  if (node?.kind === Kind.VARIABLE_DEFINITION && error.extensions['code'] === 'BAD_USER_INPUT') {
    const place = / at "([^"]+)"; /.exec(error.message)?.[1];
    return place ?? node.variable.name.value;
  }
  // Raised while a field's arguments were put together; a resolver's own error points to the field instead.
  if (node?.kind === Kind.VARIABLE) return /^Argument "(\w+)"/.exec(error.message)?.[1];
  return undefined;
}
