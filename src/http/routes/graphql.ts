import type { ApolloServer } from '@apollo/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { GraphQLSchema } from 'graphql';
import { LRUCache } from 'lru-cache';
import { AppError, badInput, type ErrorCode } from '../../errors.ts';
import { codeOf } from '../../graphql/format-error.ts';
import { createLoaders, type Context, type Loaders } from '../../graphql/context.ts';
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
import { executeHttpRequest, executeOperation, isOperationRequest } from '../../graphql/apollo.ts';
import type { KnownQueries, KnownQuery } from '../../graphql/known-queries.ts';
import { callerOf } from '../hooks/authentication.ts';
import { setStatus } from '../error-response.ts';
import { chooseMediaType, type MediaTypeChoice } from '../media-type.ts';
import { toHttpRequest } from './apollo-headers.ts';
import { errorOfFields, statusOf } from './failed-result.ts';
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

/** By the `Accept` of the request: clients send few different ones. */
const mediaTypes = new LRUCache<string, MediaTypeChoice>({
  max: 100,
  memoMethod: (accept) => chooseMediaType(accept),
});

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
    const { mediaType, isAcceptable } = mediaTypes.memo(request.headers.accept ?? '');
    const context = createContext(repositories, request, reply, isAcceptable, parsed);
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
      const { isAcceptable } = mediaTypes.memo(request.headers.accept ?? '');
      const context = createContext(repositories, request, reply, isAcceptable);
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

/**
 * Creates the GraphQL context of a request. The repositories are its prototype: copying them into each context, and
 * again when Apollo Server clones it, would take longer than parsing the body.
 */
function createContext(
  repositories: Repositories,
  request: FastifyRequest,
  reply: FastifyReply,
  canReadResponse: boolean,
  { isDefaultQuery = false, knownQuery }: Pick<ParsedRequest, 'isDefaultQuery' | 'knownQuery'> = {},
): Context {
  // Lazily: few requests need loaders, and creating them is a tenth of the work of a request without them.
  let loaders: Loaders | undefined;
  const requestFields: Omit<Context, keyof Repositories> = {
    isDefaultQuery,
    isKnownQuery: knownQuery !== undefined,
    scopes: request.principal!.scopes,
    caller: callerOf(request),
    idempotencyKey: request.headers['idempotency-key'] as string | undefined,
    canReadResponse,
    log: request.log,
    summary: request.summary,
    loaders: () => (loaders ??= createLoaders(repositories)),
    reachedFields: new Set(),
    markReplayed: () => {
      request.summary.isReplayed = true;
      reply.header('Idempotency-Replayed', 'true');
    },
  };
  return Object.assign(Object.create(repositories) as Repositories, requestFields);
}
