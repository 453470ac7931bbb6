import { HeaderMap, type ApolloServer, type HTTPGraphQLResponse } from '@apollo/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { GraphQLFormattedError, GraphQLSchema } from 'graphql';
import { AppError, isErrorCode, type ErrorCode } from '../../errors.ts';
import { createContext, type Context, type Outcome, type Repositories } from '../../graphql/context.ts';
import type { OperationLimits } from '../../graphql/limits/operation-limits.ts';
import {
  createOperationBodyParsers,
  isObject,
  withoutEmptyName,
  type GraphQLRequestBody,
  type RequestFilter,
} from '../../graphql/request/operation-body.ts';
import { createRejectedCallAuditor } from '../../graphql/rejected-calls.ts';
import { graphQLHeaders } from '../../graphql/apollo.ts';
import { callerOf } from '../hooks/authentication.ts';
import { setStatus } from '../error-response.ts';
import { statusOf } from './graphql-status.ts';
import { chooseMediaType } from '../media-type.ts';
import { requireUniqueKeys } from '../hooks/json-body.ts';

/** The dependencies of the GraphQL endpoints. */
type GraphQLEndpoints = {
  readonly graphql: ApolloServer<Context>;
  readonly schema: GraphQLSchema;
  readonly repositories: Repositories;
  readonly filter: RequestFilter;
  readonly limits: OperationLimits;
};

type GraphQLResponseBody = { readonly errors?: readonly GraphQLFormattedError[] };

/** A GraphQL request: the body or query string that Apollo reads, and the same request as an object. */
type ParsedRequest = { readonly body?: unknown; readonly search?: string; readonly request: unknown };

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
  { graphql, schema, repositories, filter, limits }: GraphQLEndpoints,
): void {
  const auditRejectedCalls = createRejectedCallAuditor(schema, limits);

  const methods = ['GET', 'POST'];
  http.all('/graphql', { config: { methods }, onError: auditThrown(undefined) }, async (request, reply) => {
    requireMethod(request, reply, methods);
    const parsed = request.method === 'GET' ? parseSearch(request) : parseBody(request.body);
    return execute(request, reply, parsed, undefined);
  });

  for (const [fieldName, parseOperation] of createOperationBodyParsers(schema, filter)) {
    const options = { config: { isBodyOptional: true, methods: ['POST'] }, onError: auditThrown(fieldName) };
    http.all(`/${fieldName}`, options, async (request, reply) => {
      requireMethod(request, reply, ['POST']);
      const body = parseOperation(request.body);
      return execute(request, reply, { body, request: body }, fieldName);
    });
  }

  /** Apollo rejects a body that is not an object. */
  function parseBody(json: unknown): ParsedRequest {
    const body = isObject(json) ? filter(withoutEmptyName(json)) : json;
    return { body, request: body };
  }

  /** Parses the query string of a GET, and replaces the hash of an allowlisted operation by its text. */
  function parseSearch(request: FastifyRequest): ParsedRequest {
    const { searchParams } = new URL(request.url, 'http://localhost');
    if (searchParams.get('operationName') === '') searchParams.delete('operationName');
    for (const name of ['variables', 'extensions']) requireUniqueJsonKeys(searchParams.get(name));
    const parsed = parseSearchParams(searchParams);
    const filtered = filter(parsed);
    if (filtered.query !== parsed.query) {
      for (const name of ['documentId', 'extensions']) searchParams.delete(name);
      searchParams.set('query', String(filtered.query));
    }
    return { search: `?${searchParams.toString()}`, request: filtered };
  }

  /**
   * Passes a request to Apollo and sends the response. The audit events of all its mutations are written before that.
   */
  async function execute(
    request: FastifyRequest,
    reply: FastifyReply,
    { body, search = '', request: operationRequest }: ParsedRequest,
    pathField: string | undefined,
  ) {
    const context = createContext(repositories, contextInputOf(request));
    const response = await graphql.executeHTTPGraphQLRequest({
      httpGraphQLRequest: {
        method: request.method,
        headers: apolloHeadersOf(request),
        search,
        body,
      },
      context: async () => context,
    });
    // Incremental delivery needs @defer or @stream, which the schema does not have.
    if (response.body.kind !== 'complete') throw new Error('an incremental response');
    const { outcome } = context;
    for (const [name, value] of response.headers) reply.header(name, value);
    if (outcome.isReplayed) reply.header('Idempotency-Replayed', 'true');

    const status = statusOf(pathField === undefined ? 'graphql' : 'operation', {
      status: response.status ?? 200,
      isJson: String(response.headers.get('content-type')).startsWith('application/json'),
      outcome,
    });
    if (status !== 200 || outcome.errors.length > 0)
      await auditRejectedCalls(
        { request: operationRequest, pathField, errorOf: errorOfFields(outcome, response) },
        context,
      );
    return setStatus(status, reply).send(response.body.string);
  }

  /** Audits the mutations of a request whose handler threw, or whose body was rejected. */
  function auditThrown(pathField: string | undefined) {
    return async (request: FastifyRequest, _reply: FastifyReply, error: Error): Promise<void> => {
      if (!request.principal || !(error instanceof AppError) || unauditedCodes.includes(error.code)) return;
      const operationRequest =
        request.method === 'GET'
          ? parseSearchParams(new URL(request.url, 'http://localhost').searchParams)
          : request.body;
      const context = createContext(repositories, contextInputOf(request));
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
function contextInputOf(request: FastifyRequest): Parameters<typeof createContext>[1] {
  return {
    scopes: request.principal!.scopes,
    caller: callerOf(request),
    idempotencyKey: request.headers['idempotency-key'] as string | undefined,
    canReadResponse: chooseMediaType(request.headers.accept) !== undefined,
    log: request.log,
  };
}

function apolloHeadersOf(request: FastifyRequest): HeaderMap {
  const headers = new HeaderMap();
  // The media type is chosen once, so that errors before GraphQL have the same one.
  const mediaType = chooseMediaType(request.headers.accept);
  if (mediaType) headers.set('accept', mediaType);
  for (const name of graphQLHeaders) {
    const value = request.headers[name];
    // CSRF: browsers attach cached Basic credentials to cross-site requests, so Basic auth does not prove that a
    // request was intended.
    if (value === undefined || (name === 'authorization' && !/^bearer /i.test(String(value)))) continue;
    headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  return headers;
}

/** Returns the error of each root field that was not executed; the same error for all fields of a rejected request. */
function errorOfFields(
  { isExecuted, errors }: Outcome,
  { body }: HTTPGraphQLResponse,
): (responseName: string) => AppError | undefined {
  if (isExecuted) {
    return (responseName) => {
      const error = errors.find(({ path = [] }) => path.length === 1 && path[0] === responseName);
      return error && toAppError(error.code);
    };
  }
  // Errors that Apollo raises before its plugins run are in the response only.
  const [first] = errors.length > 0 ? errors : parseResponseErrors(body);
  const error = first && toAppError(first.code);
  return () => error;
}

function parseResponseErrors(body: HTTPGraphQLResponse['body']): { readonly code: unknown }[] {
  const { errors = [] } = (body.kind === 'complete' ? JSON.parse(body.string) : {}) as GraphQLResponseBody;
  return errors.map(({ extensions }) => ({ code: extensions?.['code'] }));
}

function toAppError(code: unknown): AppError {
  return new AppError(isErrorCode(code) ? code : 'INTERNAL_SERVER_ERROR', 'rejected');
}

/** Returns the request in the query string of a GET. */
function parseSearchParams(searchParams: URLSearchParams): GraphQLRequestBody {
  const { variables, extensions, ...rest } = Object.fromEntries(searchParams) as GraphQLRequestBody;
  return { ...rest, variables: parseJson(variables), extensions: parseJson(extensions) };
}

/** @throws AppError BAD_USER_INPUT */
function requireUniqueJsonKeys(text: string | null): void {
  const value = parseJson(text);
  if (text !== null && value !== undefined) requireUniqueKeys(text, value);
}

/** Returns undefined for invalid JSON, which Apollo rejects. */
function parseJson(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}
