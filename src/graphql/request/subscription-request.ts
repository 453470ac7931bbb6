import { getOperationAST, OperationTypeNode, parse } from 'graphql';
import { isObject, type GraphQLRequestBody } from './operation-body.ts';

/** A GraphQL request whose operation is a subscription. */
export type SubscriptionRequest = {
  readonly query: string;
  readonly operationName?: string | null;
  readonly variables?: Readonly<Record<string, unknown>> | null;
};

/** Returns whether the operation of a request is a subscription. Its query was counted, but not validated. */
export function isSubscription(request: unknown): request is SubscriptionRequest {
  if (!isObject(request)) return false;
  const { query, operationName = null, variables = null }: GraphQLRequestBody = request;
  // Parses few other requests.
  if (typeof query !== 'string' || !query.includes('subscription')) return false;
  if (operationName !== null && typeof operationName !== 'string') return false;
  if (variables !== null && !isObject(variables)) return false;
  try {
    return getOperationAST(parse(query), operationName)?.operation === OperationTypeNode.SUBSCRIPTION;
  } catch {
    // The syntax error is reported in the format that the client of a subscription reads.
    return /^\s*subscription\b/.test(query);
  }
}
