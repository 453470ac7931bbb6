import { HeaderMap, type ApolloServer } from '@apollo/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { GraphQLSchema } from 'graphql';
import { AppError } from '../errors.ts';
import { createContext, type Context, type Outcome, type Repositories } from '../graphql/context.ts';
import {
  createOperationRequestReaders,
  isObject,
  type GraphQLRequestBody,
  type PrepareRequest,
} from '../graphql/operation-request.ts';
import { graphQLHeaders } from '../graphql/server.ts';
import { readCaller } from './caller.ts';
import { sendStatus } from './error-response.ts';

/** What the doors lead to. */
type GraphQLDoors = {
  readonly graphql: ApolloServer<Context>;
  readonly schema: GraphQLSchema;
  readonly repositories: Repositories;
  readonly prepare: PrepareRequest;
};

/**
 * The two doors to GraphQL. `/graphql` follows GraphQL over HTTP, where an operation that was carried out answers 200
 * whatever became of it; `POST /<root field>` runs that one operation and answers with the HTTP status of its error.
 */
export function registerGraphQLRoutes(
  http: FastifyInstance,
  { graphql, schema, repositories, prepare }: GraphQLDoors,
): void {
  http.all('/graphql', async (request, reply) => {
    requireMethod(request, reply, ['GET', 'POST']);
    const asked = request.method === 'GET' ? readSearch(request) : { body: prepareBody(request.body) };
    const { status, body, outcome } = await execute(request, reply, asked);
    if (outcome.isUnavailable) return sendStatus('SERVICE_UNAVAILABLE', reply).send(body);
    return reply.status(isWellFormedJsonExchange(reply, outcome) ? 200 : status).send(body);
  });

  for (const [fieldName, readBody] of createOperationRequestReaders(schema, prepare)) {
    http.all(`/${fieldName}`, async (request, reply) => {
      requireMethod(request, reply, ['POST']);
      const { status, body, outcome } = await execute(request, reply, { body: readBody(request.body) });
      const [code] = outcome.errorCodes;
      return (code === undefined ? reply.status(status) : sendStatus(code, reply)).send(body);
    });
  }

  /** What is no object is left to Apollo to complain about. */
  function prepareBody(body: unknown): unknown {
    return isObject(body) ? prepare(body) : body;
  }

  /** The search of a GET, with the text of the operation that it names where there is a list of them. */
  function readSearch(request: FastifyRequest): { search: string } {
    const { searchParams } = new URL(request.url, 'http://localhost');
    const given = Object.fromEntries(searchParams) as GraphQLRequestBody;
    const { query } = prepare({ ...given, extensions: readJson(given.extensions) });
    if (query !== given.query) {
      for (const name of ['documentId', 'extensions']) searchParams.delete(name);
      searchParams.set('query', String(query));
    }
    return { search: `?${searchParams.toString()}` };
  }

  /** Hands a request to Apollo, and the headers of the answer to the reply. */
  async function execute(
    request: FastifyRequest,
    reply: FastifyReply,
    { body, search = '' }: { body?: unknown; search?: string },
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
    for (const [name, value] of response.headers) reply.header(name, value);
    if (context.outcome.isReplayed) reply.header('Idempotency-Replayed', 'true');
    return { status: response.status ?? 200, body: response.body.string, outcome: context.outcome };
  }
}

/** What a server says of a well-formed request to a client that accepts `application/json` only: 200, errors or not. */
const wellFormedRequestCodes: readonly unknown[] = [
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'BAD_USER_INPUT',
];

/** @see https://graphql.github.io/graphql-over-http/draft/#sec-application-json */
function isWellFormedJsonExchange(reply: FastifyReply, { errorCodes }: Outcome): boolean {
  const isJson = String(reply.getHeader('content-type')).startsWith('application/json');
  return isJson && wellFormedRequestCodes.includes(errorCodes[0]);
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
    caller: readCaller(request),
    idempotencyKey: request.headers['idempotency-key'] as string | undefined,
    log: request.log,
  };
}

function readHeaders(request: FastifyRequest): HeaderMap {
  const headers = new HeaderMap();
  for (const name of graphQLHeaders) {
    const value = request.headers[name];
    // A browser that once asked for a password sends it along whoever's page it shows: no sign against a forged request.
    if (value === undefined || (name === 'authorization' && !/^bearer /i.test(String(value)))) continue;
    headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  return headers;
}

/** What is not JSON is left to Apollo to complain about. */
function readJson(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}
