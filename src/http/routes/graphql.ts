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
import { createRejectedCallAuditor } from '../../graphql/refused-calls.ts';
import { graphQLHeaders } from '../../graphql/apollo.ts';
import { callerOf } from '../caller.ts';
import { setStatus } from '../error-response.ts';
import { statusOf } from './graphql-status.ts';
import { chooseMediaType } from '../media-type.ts';
import { requireUniqueKeys } from '../hooks/repeated-key.ts';

/** What the doors lead to. */
type GraphQLEndpoints = {
  readonly graphql: ApolloServer<Context>;
  readonly schema: GraphQLSchema;
  readonly repositories: Repositories;
  readonly prepare: RequestFilter;
  readonly limits: OperationLimits;
};

type GraphQLResponseBody = { readonly errors?: readonly GraphQLFormattedError[] };

/** A request for GraphQL: what Apollo reads, and the same as an object. */
type ParsedRequest = { readonly body?: unknown; readonly search?: string; readonly request: unknown };

/** Errors before a request was read: it never became a call of a mutation. Recording floods would make them worse. */
const brokenRequestCodes: readonly ErrorCode[] = [
  'BAD_REQUEST',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'REQUEST_TIMEOUT',
  'RATE_LIMITED',
  'SERVICE_UNAVAILABLE',
];

/**
 * The two doors to GraphQL. `/graphql` follows GraphQL over HTTP, where an operation that was carried out answers 200
 * whatever became of it; `POST /<root field>` runs that one operation and answers with the HTTP status of its error.
 */
export function registerGraphQLRoutes(
  http: FastifyInstance,
  { graphql, schema, repositories, prepare, limits }: GraphQLEndpoints,
): void {
  const auditRejectedCalls = createRejectedCallAuditor(schema, limits);

  const methods = ['GET', 'POST'];
  http.all('/graphql', { config: { methods }, onError: recordThrown(undefined) }, async (request, reply) => {
    requireMethod(request, reply, methods);
    const asked = request.method === 'GET' ? readSearch(request) : readBody(request.body);
    return execute(request, reply, asked, undefined);
  });

  for (const [fieldName, readOperation] of createOperationBodyParsers(schema, prepare)) {
    const options = { config: { isBodyOptional: true, methods: ['POST'] }, onError: recordThrown(fieldName) };
    http.all(`/${fieldName}`, options, async (request, reply) => {
      requireMethod(request, reply, ['POST']);
      const body = readOperation(request.body);
      return execute(request, reply, { body, request: body }, fieldName);
    });
  }

  /** What is no object is left to Apollo to complain about. */
  function readBody(given: unknown): ParsedRequest {
    const body = isObject(given) ? prepare(withoutEmptyName(given)) : given;
    return { body, request: body };
  }

  /** The search of a GET, with the text of the operation that it names where there is a list of them. */
  function readSearch(request: FastifyRequest): ParsedRequest {
    const { searchParams } = new URL(request.url, 'http://localhost');
    if (searchParams.get('operationName') === '') searchParams.delete('operationName');
    for (const name of ['variables', 'extensions']) requireUniqueJsonKeys(searchParams.get(name));
    const given = readSearchParams(searchParams);
    const prepared = prepare(given);
    if (prepared.query !== given.query) {
      for (const name of ['documentId', 'extensions']) searchParams.delete(name);
      searchParams.set('query', String(prepared.query));
    }
    return { search: `?${searchParams.toString()}`, request: prepared };
  }

  /** Hands a request to Apollo, and its response to the reply. The audit has an entry of each mutation before that is sent. */
  async function execute(
    request: FastifyRequest,
    reply: FastifyReply,
    { body, search = '', request: asked }: ParsedRequest,
    pathField: string | undefined,
  ) {
    const context = createContext(repositories, readRequest(request));
    const response = await graphql.executeHTTPGraphQLRequest({
      httpGraphQLRequest: {
        method: request.method,
        headers: readHeaders(request),
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
        { request: asked, pathField, errorOf: errorOfFields(outcome, response) },
        context,
      );
    return setStatus(status, reply).send(response.body.string);
  }

  /** Records the mutations of a request whose handler threw, or whose body could not be accepted. */
  function recordThrown(pathField: string | undefined) {
    return async (request: FastifyRequest, _reply: FastifyReply, error: Error): Promise<void> => {
      if (!request.principal || !(error instanceof AppError) || brokenRequestCodes.includes(error.code))
        return;
      const asked =
        request.method === 'GET'
          ? readSearchParams(new URL(request.url, 'http://localhost').searchParams)
          : request.body;
      const context = createContext(repositories, readRequest(request));
      await auditRejectedCalls({ request: asked, pathField, errorOf: () => error }, context);
    };
  }
}

/** @throws AppError METHOD_NOT_ALLOWED */
function requireMethod({ method }: FastifyRequest, reply: FastifyReply, allowed: readonly string[]): void {
  if (allowed.includes(method)) return;
  reply.header('Allow', allowed.join(', '));
  throw new AppError('METHOD_NOT_ALLOWED', `Use ${allowed.join(' or ')}, not ${method}`);
}

/** What GraphQL is told of the request beside its body. */
function readRequest(request: FastifyRequest): Parameters<typeof createContext>[1] {
  return {
    scopes: request.principal!.scopes,
    caller: callerOf(request),
    idempotencyKey: request.headers['idempotency-key'] as string | undefined,
    canReadResponse: chooseMediaType(request.headers.accept) !== undefined,
    log: request.log,
  };
}

function readHeaders(request: FastifyRequest): HeaderMap {
  const headers = new HeaderMap();
  // Apollo follows the choice that errors before GraphQL follow too.
  const mediaType = chooseMediaType(request.headers.accept);
  if (mediaType) headers.set('accept', mediaType);
  for (const name of graphQLHeaders) {
    const value = request.headers[name];
    // A browser that once asked for a password sends it along whoever's page it shows: no sign against a forged request.
    if (value === undefined || (name === 'authorization' && !/^bearer /i.test(String(value)))) continue;
    headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  return headers;
}

/** Returns the error of each root field that was not executed; of a request that was rejected as a whole, the same for all. */
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
  // What Apollo rejects before its plugins see it is in the response only.
  const [first] = errors.length > 0 ? errors : readResponseErrors(body);
  const error = first && toAppError(first.code);
  return () => error;
}

function readResponseErrors(body: HTTPGraphQLResponse['body']): { readonly code: unknown }[] {
  const { errors = [] } = (body.kind === 'complete' ? JSON.parse(body.string) : {}) as GraphQLResponseBody;
  return errors.map(({ extensions }) => ({ code: extensions?.['code'] }));
}

function toAppError(code: unknown): AppError {
  return new AppError(isErrorCode(code) ? code : 'INTERNAL_SERVER_ERROR', 'rejected');
}

/** The request in the search of a GET. */
function readSearchParams(searchParams: URLSearchParams): GraphQLRequestBody {
  const { variables, extensions, ...given } = Object.fromEntries(searchParams) as GraphQLRequestBody;
  return { ...given, variables: readJson(variables), extensions: readJson(extensions) };
}

/** @throws AppError BAD_USER_INPUT */
function requireUniqueJsonKeys(text: string | null): void {
  const value = readJson(text);
  if (text !== null && value !== undefined) requireUniqueKeys(text, value);
}

/** What is not JSON is left to Apollo to complain about. */
function readJson(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}
