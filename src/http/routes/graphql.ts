import type { ApolloServer } from '@apollo/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { GraphQLFormattedError, GraphQLSchema } from 'graphql';
import { AppError, badInput, httpStatusOf, type ErrorCode } from '../../errors.ts';
import { codeOf } from '../../graphql/format-error.ts';
import { createContext, type Context } from '../../graphql/context.ts';
import type { Repositories } from '../../repositories.ts';
import type { OperationLimits } from '../../graphql/limits/operation-limits.ts';
import {
  createOperationBodyParsers,
  filterOnce,
  isObject,
  withoutEmptyName,
  type RequestFilter,
} from '../../graphql/request/operation-body.ts';
import { createRejectedCallAuditor } from '../../graphql/rejected-calls.ts';
import { isSubscription, type SubscriptionRequest } from '../../graphql/request/subscription-request.ts';
import {
  executeHttpRequest,
  executeOperation,
  isOperationRequest,
  type FailedResult,
} from '../../graphql/apollo.ts';
import type { KnownQueries, KnownQuery } from '../../graphql/known-queries.ts';
import { callerOf } from '../hooks/authentication.ts';
import { setStatus } from '../error-response.ts';
import { chooseMediaType, type GraphQLMediaType } from '../media-type.ts';
import { toHttpRequest } from './apollo-headers.ts';
import { parseSearch, parseSearchParams } from './graphql-search.ts';

/** The dependencies of the GraphQL endpoints. */
type GraphQLEndpoints = {
  readonly graphql: ApolloServer<Context>;
  readonly schema: GraphQLSchema;
  readonly repositories: Repositories;
  readonly filter: RequestFilter;
  readonly queries: KnownQueries;
  readonly limits: OperationLimits;
  readonly serveSubscription: ServeSubscription;
};

/** Serves a request to `/graphql` whose operation is a subscription: the response stays open. @throws AppError */
export type ServeSubscription = (
  request: FastifyRequest,
  reply: FastifyReply,
  subscription: SubscriptionRequest,
) => Promise<FastifyReply>;

/** A GraphQL request: that of a body, or of the query string that Apollo reads. */
type ParsedRequest = {
  readonly request: unknown;
  readonly search?: string;
  readonly knownQuery?: KnownQuery | undefined;
  readonly isDefaultQuery?: boolean;
};

/**
 * Errors before a request was parsed, which is no call of a mutation yet. Auditing floods of them would make them
 * worse.
 */
const unauditedCodes: readonly ErrorCode[] = [
  'BAD_REQUEST',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'REQUEST_TIMEOUT',
  'RATE_LIMITED',
  'SERVICE_UNAVAILABLE',
];

/**
 * The two GraphQL endpoints. `/graphql` follows GraphQL over HTTP: an executed operation returns 200 even if it failed.
 * `POST /<root field>` executes this one operation and returns the HTTP status of its error.
 */
export function registerGraphQLRoutes(
  http: FastifyInstance,
  { graphql, schema, repositories, filter, queries, limits, serveSubscription }: GraphQLEndpoints,
): void {
  const auditRejectedCalls = createRejectedCallAuditor(schema, limits);
  const filterPost = filterOnce(filter, queries);

  const methods = ['GET', 'POST'];
  const graphqlConfig = { methods, endpoint: 'graphql' as const };
  http.all('/graphql', { config: graphqlConfig, onError: auditThrown(undefined) }, (request, reply) => {
    requireMethod(request, reply, methods);
    const parsed: ParsedRequest =
      request.method === 'GET' ? parseSearch(request.url, filter) : parseBody(request.body);
    if (parsed.knownQuery || !isSubscription(parsed.request))
      return execute(request, reply, parsed, undefined);
    requireMethod(request, reply, ['POST']);
    return serveSubscription(request, reply, parsed.request);
  });
  for (const name of Object.keys(schema.getSubscriptionType()?.getFields() ?? {})) {
    const config = { isBodyOptional: true, methods: [], endpoint: 'operation' as const };
    http.all(`/${name}`, { config }, async () => {
      throw badInput('path', `Send the subscription ${name} to POST /graphql: it has no endpoint`);
    });
  }

  for (const [fieldName, parseOperation] of createOperationBodyParsers(schema, filterPost)) {
    const config = { isBodyOptional: true, methods: ['POST'], endpoint: 'operation' as const };
    const rootFields = [fieldName];
    http.all(`/${fieldName}`, { config, onError: auditThrown(fieldName) }, (request, reply) => {
      request.summary.rootFields = rootFields;
      requireMethod(request, reply, ['POST']);
      return execute(request, reply, parseOperation(request.body), fieldName);
    });
  }

  /** Apollo rejects a body that is not an object. */
  function parseBody(json: unknown): ParsedRequest {
    return isObject(json) ? filterPost(withoutEmptyName(json)) : { request: json };
  }

  /**
   * Passes a request to Apollo and returns the body of the response. The audit events of all its mutations are written
   * before that.
   */
  async function execute(
    request: FastifyRequest,
    reply: FastifyReply,
    parsed: ParsedRequest,
    pathField: string | undefined,
  ): Promise<string> {
    const acceptable = chooseMediaType(request.headers.accept);
    const mediaType = acceptable ?? 'application/json';
    const context = createContext(repositories, contextInputOf(request, reply, acceptable, parsed));
    const { summary } = request;
    const run = () =>
      request.body !== undefined && isOperationRequest(parsed.request)
        ? executeOperation(graphql, parsed.request, context, parsed.knownQuery)
        : executeHttpRequest(graphql, toHttpRequest(request, parsed, mediaType), context);
    const executed = await (summary.trace ? summary.trace.runOperation(run) : run());
    const { text, failed, headers, status } = executed;
    reply.header('Content-Type', `${mediaType}; charset=utf-8`);
    for (const [name, value] of headers) reply.header(name, value);
    if (failed === undefined) return text;
    summary.errorCode = codeOf(failed.errors[0]);

    const endpoint = pathField === undefined ? 'graphql' : 'operation';
    const isMutation = context.reachedFields.size > 0;
    const isJson = mediaType === 'application/json';
    const httpStatus = statusOf(failed, { endpoint, isMutation, isJson, apolloStatus: status ?? 200 });
    const errorOf = errorOfFields(failed);
    await auditRejectedCalls({ request: parsed.request, pathField, errorOf }, context);
    // The response of a 503 has no data, not even null.
    // https://graphql.github.io/graphql-over-http/draft/#sec-application-graphql-response-json
    setStatus(httpStatus, reply);
    return httpStatus === 503 ? JSON.stringify({ errors: failed.errors }) : text;
  }

  /** Audits the mutations of a request whose handler threw, or whose body was rejected. */
  function auditThrown(pathField: string | undefined) {
    return async (request: FastifyRequest, reply: FastifyReply, error: Error): Promise<void> => {
      if (!request.principal || !(error instanceof AppError) || unauditedCodes.includes(error.code)) return;
      const operationRequest =
        request.method === 'GET'
          ? parseSearchParams(new URL(request.url, 'http://localhost').searchParams)
          : request.body;
      const context = createContext(
        repositories,
        contextInputOf(request, reply, chooseMediaType(request.headers.accept)),
      );
      await auditRejectedCalls({ request: operationRequest, pathField, errorOf: () => error }, context);
    };
  }
}

/** @throws AppError METHOD_NOT_ALLOWED */
function requireMethod({ method }: FastifyRequest, reply: FastifyReply, allowed: readonly string[]): void {
  if (allowed.includes(method)) return;
  reply.header('Allow', allowed.join(', '));
  throw new AppError('METHOD_NOT_ALLOWED', `Use ${allowed.join(' or ')}, not ${method}`);
}

/** The request's part of the GraphQL context. */
function contextInputOf(
  request: FastifyRequest,
  reply: FastifyReply,
  mediaType: GraphQLMediaType | undefined,
  { isDefaultQuery = false, knownQuery }: Pick<ParsedRequest, 'isDefaultQuery' | 'knownQuery'> = {},
): Parameters<typeof createContext>[1] {
  return {
    isDefaultQuery,
    isKnownQuery: knownQuery !== undefined,
    scopes: request.principal!.scopes,
    caller: callerOf(request),
    idempotencyKey: request.headers['idempotency-key'] as string | undefined,
    canReadResponse: mediaType !== undefined,
    log: request.log,
    summary: request.summary,
    markReplayed: () => {
      request.summary.isReplayed = true;
      reply.header('Idempotency-Replayed', 'true');
    },
  };
}

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
function statusOf(
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
function errorOfFields({ errors, data }: FailedResult): (responseName: string) => AppError | undefined {
  if (data === undefined) return () => toAppError(errors[0]);
  return (responseName) =>
    toAppError(errors.find(({ path = [] }) => path.length === 1 && path[0] === responseName));
}

function toAppError(error: GraphQLFormattedError | undefined): AppError | undefined {
  return error && new AppError(codeOf(error), 'rejected');
}
