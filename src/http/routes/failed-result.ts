import type { GraphQLFormattedError } from 'graphql';
import { AppError, httpStatusOf } from '../../errors.ts';
import type { FailedResult } from '../../graphql/apollo.ts';
import { codeOf } from '../../graphql/format-error.ts';

/** The errors of a well-formed request that a client of `application/json` receives with 200. */
const wellFormedRequestCodes: readonly unknown[] = [
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'BAD_USER_INPUT',
];

/**
 * Returns the HTTP status of a result with errors. An executed mutation is never reported as failed: if a root field
 * has a result, the status is 200 at both kinds of endpoints, with errors of nested fields next to the data. Otherwise
 * `/<operation>` returns the status of its error, and `/graphql` that of GraphQL over HTTP, or 503 if the database was
 * unavailable for every root field.
 * @see https://graphql.github.io/graphql-over-http/draft/#sec-application-json
 */
export function statusOf(
  { errors, data }: FailedResult,
  {
    endpoint,
    isMutation,
    isJson,
    apolloStatus,
  }: { endpoint: 'graphql' | 'operation'; isMutation: boolean; isJson: boolean; apolloStatus: number },
): number {
  // A mutation whose result is null because of an error below it was executed: a non-null field below it failed.
  const isExecuted = isMutation && errors.some(({ path = [] }) => path.length > 1);
  if (isExecuted || Object.values(data ?? {}).some((value) => value !== null)) return 200;

  const codes = errors.map(({ extensions }) => extensions?.['code']);
  if (endpoint === 'operation') return httpStatusOf(codes[0]);
  if (codes.every((code) => code === 'SERVICE_UNAVAILABLE')) return httpStatusOf('SERVICE_UNAVAILABLE');
  if (data !== undefined || (isJson && wellFormedRequestCodes.includes(codes[0]))) return 200;
  // Apollo's errors about the HTTP request have one code and several statuses, such as 405 and 415.
  return codes[0] === 'BAD_REQUEST' ? apolloStatus : httpStatusOf(codes[0]);
}

/** Returns the error of each root field that was not executed; the same error for all fields of a rejected request. */
export function errorOfFields({
  errors,
  data,
}: FailedResult): (responseName: string) => AppError | undefined {
  if (data === undefined) return () => toAppError(errors[0]);
  return (responseName) =>
    toAppError(errors.find(({ path = [] }) => path.length === 1 && path[0] === responseName));
}

function toAppError(error: GraphQLFormattedError | undefined): AppError | undefined {
  return error && new AppError(codeOf(error), 'rejected');
}
