import { GraphQLError, Kind, type GraphQLErrorExtensions, type GraphQLFormattedError } from 'graphql';
import { hasScope } from '../accounts/scopes.ts';
import { AppError, isErrorCode, type ErrorCode } from '../errors.ts';
import type { Context } from './context.ts';

/**
 * Converts an error to the form that the caller may see: our own errors and Apollo's errors about the request
 * unchanged, any other as a masked internal error. Stacks, SQL and messages of other libraries never reach the caller.
 */
export function formatError(formatted: GraphQLFormattedError, error: unknown): GraphQLFormattedError {
  const { message, extensions = {}, ...position } = formatted;
  const appError = unwrapAppError(error);
  if (appError) {
    return {
      message: appError.message,
      ...position,
      extensions: { code: appError.code, ...appError.details },
    };
  }
  const badArgument = nameBadArgument(error);
  if (badArgument !== undefined) {
    return { message, ...position, extensions: { code: 'BAD_USER_INPUT', argument: badArgument } };
  }
  if (extensions['validationErrorCode'] === 'INTROSPECTION_DISABLED') {
    return {
      message: 'Introspection is disabled (INTROSPECTION=false)',
      ...position,
      extensions: { code: extensions['code'] },
    };
  }
  if (isExpectedError(error)) return { message, ...position, extensions: { code: extensions['code'] } };
  return { message: 'Internal server error', ...position, extensions: { code: 'INTERNAL_SERVER_ERROR' } };
}

/** Returns whether an error is meant for the caller; any other is an internal error to be logged. */
export function isExpectedError(error: unknown): boolean {
  if (unwrapAppError(error) || nameBadArgument(error) !== undefined) return true;
  const code = error instanceof GraphQLError ? error.extensions['code'] : undefined;
  return isErrorCode(code) && code !== 'INTERNAL_SERVER_ERROR';
}

/** Returns the code of an error that was formatted for the caller. */
export function codeOf(error: GraphQLFormattedError | undefined): ErrorCode {
  const code = error?.extensions?.['code'];
  return isErrorCode(code) ? code : 'INTERNAL_SERVER_ERROR';
}

/** Adds the request id to internal errors, and removes the usernames if the account may not read subscribers. */
export function completeExtensions(
  { usernames, ...extensions }: GraphQLErrorExtensions,
  { caller, scopes }: Pick<Context, 'caller' | 'scopes'>,
): GraphQLErrorExtensions {
  const isInternal = extensions['code'] === 'INTERNAL_SERVER_ERROR';
  const mayReadUsernames = usernames !== undefined && hasScope(scopes, 'subscribers:read');
  return {
    ...extensions,
    ...(isInternal && { requestId: caller.requestId }),
    ...(mayReadUsernames && { usernames }),
  };
}

/** Converts an error to a GraphQLError: Apollo masks the code of any other error. */
export function toGraphQLError(error: AppError): GraphQLError {
  return new GraphQLError(error.message, { originalError: error, extensions: { code: error.code } });
}

/** Returns the AppError that an error is or wraps. Resolvers' errors are wrapped by graphql-js. */
function unwrapAppError(error: unknown): AppError | undefined {
  const original = error instanceof GraphQLError ? error.originalError : error;
  return original instanceof AppError ? original : undefined;
}

/**
 * Returns the path of the argument whose value graphql-js rejected, if any: `id` for a variable, `group.price` for a
 * field of one. graphql-js has the path in its message and nodes only.
 */
function nameBadArgument(error: unknown): string | undefined {
  if (!(error instanceof GraphQLError)) return undefined;
  const node = error.nodes?.[0];
  if (node?.kind === Kind.VARIABLE_DEFINITION && error.extensions['code'] === 'BAD_USER_INPUT') {
    const path = / at "([^"]+)"; /.exec(error.message)?.[1];
    return path ?? node.variable.name.value;
  }
  // Raised while the arguments of a field were coerced; the node of a resolver's error is the field instead.
  if (node?.kind === Kind.VARIABLE) return /^Argument "(\w+)"/.exec(error.message)?.[1];
  return undefined;
}
