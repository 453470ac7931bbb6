import {
  ApolloServer,
  HeaderMap,
  type ApolloServerPlugin,
  type GraphQLRequest,
  type GraphQLRequestListener,
  type HTTPGraphQLRequest,
} from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
} from '@apollo/server/plugin/disabled';
import {
  getVariableValues,
  type FormattedExecutionResult,
  type GraphQLFormattedError,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { AppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Context } from './context.ts';
import { codeOf, completeExtensions, formatError, isExpectedError, toGraphQLError } from './format-error.ts';
import { rootFieldsOf } from './operation-root-fields.ts';
import { describeQuery, type KnownQueries, type KnownQuery } from './known-queries.ts';
import { createLimitCheck, type OperationLimits } from './limits/operation-limits.ts';
import type { Operation } from './limits/operation-cost.ts';
import { hasPersistedQuery, isObject, type GraphQLRequestBody } from './request/operation-body.ts';
import { stringifyResult } from './stringify-result.ts';

/**
 * CSRF: browsers do not send these headers on their own, for example with a form or an image, so a request with one of
 * them comes from a program. (Only Bearer tokens are passed on in `authorization`.)
 * @see https://www.apollographql.com/docs/apollo-server/security/cors#preventing-cross-site-request-forgery-csrf
 */
const programHeaders = ['authorization', 'x-apikey', 'apollo-require-preflight', 'x-apollo-operation-name'];

/** The request headers that Apollo Server reads in addition to `accept`. */
export const graphQLHeaders: readonly string[] = ['content-type', ...programHeaders];

/** The number of errors after which the validation of an operation ends. */
const maxValidationErrors = 20;

/** The settings of the GraphQL server. */
type GraphQLSettings = {
  readonly limits: OperationLimits;
  readonly introspection: boolean;
  /** The queries of accepted operations are added. */
  readonly queries: KnownQueries;
};

/** Starts Apollo Server on the schema. Stop it with `stop()`. @throws OperatorError */
export async function openGraphQLServer(
  schema: GraphQLSchema,
  { limits, introspection, queries }: GraphQLSettings,
  log: Logger,
): Promise<ApolloServer<Context>> {
  const server = new ApolloServer<Context>({
    schema,
    logger: log,
    formatError,
    stringifyResult,
    plugins: [
      ApolloServerPluginLandingPageDisabled(),
      // No field has a cache hint. Without this plugin, Apollo wraps every field to look for one.
      ApolloServerPluginCacheControlDisabled(),
      // Inline traces are for federated subgraphs, and the plugin is slow to load.
      ApolloServerPluginInlineTraceDisabled(),
      createRequestPlugin(createLimitCheck(schema, limits), queries),
    ],
    // Each error is compared with the names of the schema. The default is 100.
    validationOptions: { maxErrors: maxValidationErrors },
    // The default depends on NODE_ENV, which must not change an API.
    introspection,
    // Without introspection, errors must not suggest names from the schema either.
    hideSchemaDetailsFromClientErrors: !introspection,
    persistedQueries: false,
    includeStacktraceInErrorResponses: false,
    allowBatchedHttpRequests: false,
    // The process handles the signals, since it knows what else has to be closed.
    stopOnTerminationSignals: false,
    csrfPrevention: { requestHeaders: programHeaders },
  });
  await server.start();
  return server;
}

/** The result of an operation with errors. `data` is absent if the request was rejected as a whole. */
export type FailedResult = {
  readonly errors: readonly GraphQLFormattedError[];
  readonly data?: Readonly<Record<string, unknown>> | null;
};

/** The response to a request. */
type ExecutedRequest = {
  readonly text: string;
  /** The result in the text, if it has errors. */
  readonly failed: FailedResult | undefined;
  /** The status and the headers of HTTP that Apollo Server chooses if it rejects a request. */
  readonly status: number | undefined;
  readonly headers: Iterable<readonly [name: string, value: string]>;
};

/** A request whose parts have the right types. Its query may be invalid. */
export type OperationRequest = GraphQLRequestBody & Pick<GraphQLRequest, 'query' | 'variables'>;

/** Returns whether the parts of a request have the right types; if not, Apollo Server says so in its HTTP response. */
export function isOperationRequest(request: unknown): request is OperationRequest {
  if (!isObject(request)) return false;
  const { query, variables, operationName, extensions }: GraphQLRequestBody = request;
  return (
    typeof query === 'string' &&
    (variables == null || isObject(variables)) &&
    (operationName == null || typeof operationName === 'string') &&
    (extensions == null || (isObject(extensions) && !hasPersistedQuery(extensions)))
  );
}

/**
 * What Apollo Server reads of the HTTP request of `executeOperation`: `Accept`, for the format of incremental delivery.
 * An empty one accepts none, which takes no parsing.
 */
const withoutNegotiation: HTTPGraphQLRequest = {
  method: 'POST',
  headers: new HeaderMap([['accept', '']]),
  search: '',
  body: undefined,
};

/**
 * Executes the request in a JSON body. As `executeHttpRequest`, without the parts of HTTP: its checks of the content
 * type, which prevent CSRF and which a JSON body has passed, and the choice of a media type.
 */
export async function executeOperation(
  server: ApolloServer<Context>,
  { query, variables, operationName }: OperationRequest,
  contextValue: Context,
  knownQuery: KnownQuery | undefined,
): Promise<ExecutedRequest> {
  const request = { query, variables: variables ?? undefined, operationName, http: withoutNegotiation };
  const { body, http } = await server.executeOperation(request as GraphQLRequest, { contextValue });
  // Incremental delivery needs @defer or @stream, which the schema does not have.
  if (body.kind !== 'single') throw new Error('an incremental response');
  const result = body.singleResult;
  return {
    text: knownQuery?.hasShortResult ? `${JSON.stringify(result)}\n` : await stringifyResult(result),
    failed: isFailed(result) ? result : undefined,
    status: http.status,
    headers: http.headers,
  };
}

/** Executes a request that Apollo Server reads from HTTP. */
export async function executeHttpRequest(
  server: ApolloServer<Context>,
  httpGraphQLRequest: HTTPGraphQLRequest,
  contextValue: Context,
): Promise<ExecutedRequest> {
  const { body, status, headers } = await server.executeHTTPGraphQLRequest({
    httpGraphQLRequest,
    context: async () => contextValue,
  });
  if (body.kind !== 'complete') throw new Error('an incremental response');
  const text = body.string;
  // The errors of a result come first in its text: https://spec.graphql.org/October2021/#sec-Errors
  const failed = text.startsWith('{"errors"') ? (JSON.parse(text) as FailedResult) : undefined;
  return { text, failed, status, headers };
}

function isFailed(result: FormattedExecutionResult): result is FailedResult {
  return result.errors !== undefined;
}

/**
 * Creates the plugin that checks operations before their execution, logs unexpected errors, and completes the
 * extensions of all errors. One plugin with one listener for all requests: Apollo Server waits for a promise for each
 * listener and event.
 */
function createRequestPlugin(
  requireWithinLimits: (operation: Operation) => number | undefined,
  queries: KnownQueries,
): ApolloServerPlugin<Context> {
  const listener: GraphQLRequestListener<Context> = {
    async didResolveOperation({
      schema,
      source,
      document,
      operation,
      request: { variables = {} },
      contextValue,
    }) {
      // Apollo reports an operation name that is not in the document.
      if (!operation) return;
      const { summary } = contextValue;
      // At `/<root field>` it is the path.
      if (summary.rootFields.length === 0) summary.rootFields = rootFieldsOf(operation, document);
      try {
        if (!contextValue.isKnownQuery) {
          const cost = requireWithinLimits({ document, operation, variables });
          const description = cost === undefined ? undefined : describeQuery(document, operation, cost);
          if (description) queries.set(source, description);
        }
        // After the limits: the client has to fix these first.
        if (!contextValue.canReadResponse) rejectUnreadableResponse(schema, operation, variables);
      } catch (error) {
        throw error instanceof AppError ? toGraphQLError(error) : error;
      }
    },

    async didEncounterErrors({ errors, contextValue: { log } }) {
      for (const error of errors) {
        if (!isExpectedError(error))
          log.error({ err: error.originalError ?? error, path: error.path }, 'unexpected error');
      }
    },

    async willSendResponse({ response: { body }, contextValue }) {
      if (body.kind !== 'single' || !body.singleResult.errors) return;
      body.singleResult.errors = body.singleResult.errors.map(({ locations, ...error }) => ({
        ...error,
        // Positions in a query that the caller has not seen mean nothing to it.
        ...(locations && !contextValue.isDefaultQuery && { locations }),
        extensions: completeExtensions(error.extensions ?? {}, contextValue),
      }));
      contextValue.summary.errorCode = codeOf(body.singleResult.errors[0]);
    },
  };
  return { requestDidStart: async () => listener };
}

/**
 * Rejects a request before its execution because the client accepts no GraphQL media type: a mutation must not be
 * executed only to return 406. Invalid variables are left to Apollo, which does not start the execution either.
 * @throws AppError NOT_ACCEPTABLE
 */
function rejectUnreadableResponse(
  schema: GraphQLSchema,
  { variableDefinitions = [] }: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
): void {
  if (getVariableValues(schema, variableDefinitions, variables).errors) return;
  throw new AppError(
    'NOT_ACCEPTABLE',
    'Send "Accept: application/graphql-response+json" or "Accept: application/json". Nothing was executed',
  );
}
