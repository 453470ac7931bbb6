import { httpStatusOf } from '../../errors.ts';
import type { Outcome } from '../../graphql/context.ts';

/** The response of a GraphQL operation. */
export type GraphQLResult = {
  /** The status by GraphQL over HTTP, for `application/graphql-response+json`. */
  readonly status: number;
  readonly isJson: boolean;
  readonly outcome: Outcome;
};

/** The errors of a well-formed request that a client of `application/json` receives with 200. */
const wellFormedRequestCodes: readonly unknown[] = [
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'BAD_USER_INPUT',
];

/**
 * Returns the HTTP status of a response. An executed mutation is never reported as failed: if a root field has a
 * result, the status is 200 at both kinds of endpoints, with errors of nested fields next to the data. Otherwise
 * `/<operation>` returns the status of its error, and `/graphql` that of GraphQL over HTTP, or 503 if the database was
 * unavailable for every root field.
 * @see https://graphql.github.io/graphql-over-http/draft/#sec-application-json
 */
export function statusOf(
  endpoint: 'graphql' | 'operation',
  { status, isJson, outcome }: GraphQLResult,
): number {
  const [error] = outcome.errors;
  if (error === undefined || outcome.isDone) return status;
  if (endpoint === 'operation') return httpStatusOf(error.code);
  if (outcome.isUnavailable) return httpStatusOf('SERVICE_UNAVAILABLE');
  return isJson && wellFormedRequestCodes.includes(error.code) ? 200 : status;
}
