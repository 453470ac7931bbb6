import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
} from '@apollo/server/plugin/disabled';
import {
  getVariableValues,
  GraphQLError,
  OperationTypeNode,
  type GraphQLErrorExtensions,
  type GraphQLSchema,
} from 'graphql';
import { hasScope } from '../accounts/scopes.ts';
import { AppError, httpStatusOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Context, Outcome } from './context.ts';
import { formatError, isExpectedError } from './format-error.ts';
import { createLimitCheck, type OperationLimits } from './limits/operation-limits.ts';
import type { Operation } from './limits/operation-cost.ts';

/**
 * CSRF: browsers do not send these headers on their own, for example with a form or an image, so a request with one of
 * them comes from a program. (Only Bearer tokens are passed on in `authorization`.)
 * @see https://www.apollographql.com/docs/apollo-server/security/cors#preventing-cross-site-request-forgery-csrf
 */
const programHeaders = ['authorization', 'x-apikey', 'apollo-require-preflight', 'x-apollo-operation-name'];

/** The request headers that Apollo Server reads in addition to `accept`. */
export const graphQLHeaders: readonly string[] = ['content-type', ...programHeaders];

/** The settings of the GraphQL server. */
export type GraphQLSettings = { readonly limits: OperationLimits; readonly introspection: boolean };

/** Starts Apollo Server on the schema. Stop it with `stop()`. @throws OperatorError */
export async function openGraphQLServer(
  schema: GraphQLSchema,
  { limits, introspection }: GraphQLSettings,
  log: Logger,
): Promise<ApolloServer<Context>> {
  const server = new ApolloServer<Context>({
    schema,
    logger: log,
    formatError,
    plugins: [
      ApolloServerPluginLandingPageDisabled(),
      // No field has a cache hint. Without this plugin, Apollo wraps every field to look for one.
      ApolloServerPluginCacheControlDisabled(),
      // Inline traces are for federated subgraphs, and the plugin is slow to load.
      ApolloServerPluginInlineTraceDisabled(),
      reportOutcome,
      rejectLargeOperations(createLimitCheck(schema, limits)),
      // After the limits: the client has to fix these first.
      rejectUnreadableResponse,
    ],
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

/** Logs unexpected errors and stores the outcome of the operation in the context, for the HTTP status. */
const reportOutcome: ApolloServerPlugin<Context> = {
  async requestDidStart() {
    return {
      async didEncounterErrors({ errors, contextValue: { log } }) {
        for (const error of errors) {
          if (!isExpectedError(error))
            log.error({ err: error.originalError ?? error, path: error.path }, 'unexpected error');
        }
      },

      async willSendResponse({ response: { body }, operation, contextValue: { outcome, caller, scopes } }) {
        if (body.kind !== 'single' || !body.singleResult.errors) return;

        const result = body.singleResult;
        outcome.isExecuted = result.data !== undefined;
        const errors = result.errors!.map((error) => ({
          ...error,
          extensions: completeExtensions(error.extensions ?? {}, { caller, scopes }),
        }));
        result.errors = errors;
        outcome.errors = errors.map(({ extensions, path }) => ({ code: extensions?.['code'], path }));
        outcome.isDone = isDone(result.data, outcome, operation?.operation === OperationTypeNode.MUTATION);
        // The status may be 503 only if the response has no data, not even null.
        // https://graphql.github.io/graphql-over-http/draft/#sec-application-graphql-response-json
        outcome.isUnavailable =
          !outcome.isDone && outcome.errors.every(({ code }) => code === 'SERVICE_UNAVAILABLE');
        if (outcome.isUnavailable) delete result.data;
      },
    };
  },
};

/**
 * Returns whether a root field has a result. A mutation whose result is null because of an error below it was executed:
 * its resolver succeeded, and a non-null field below it failed.
 */
function isDone(
  data: Record<string, unknown> | null | undefined,
  { errors }: Outcome,
  isMutation: boolean,
): boolean {
  if (Object.values(data ?? {}).some((value) => value !== null)) return true;
  return isMutation && errors.some(({ path = [] }) => path.length > 1);
}

/** Adds the request id to internal errors, and removes the usernames if the account may not read subscribers. */
function completeExtensions(
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

/**
 * Rejects a request before its execution if the client accepts no GraphQL media type: a mutation must not be executed
 * only to return 406. Invalid variables are left to Apollo, which does not start the execution either.
 */
const rejectUnreadableResponse: ApolloServerPlugin<Context> = {
  async requestDidStart() {
    return {
      async didResolveOperation({ schema, operation, request, contextValue }) {
        if (contextValue.canReadResponse || !operation) return;
        const definitions = operation.variableDefinitions ?? [];
        if (getVariableValues(schema, definitions, request.variables ?? {}).errors) return;
        throw toGraphQLError(
          new AppError(
            'NOT_ACCEPTABLE',
            'Send "Accept: application/graphql-response+json" or "Accept: application/json". Nothing was executed',
          ),
        );
      },
    };
  },
};

/** Checks the limits for each request, since a variable may hold the size of a list. */
function rejectLargeOperations(
  requireWithinLimits: (operation: Operation) => void,
): ApolloServerPlugin<Context> {
  return {
    async requestDidStart() {
      return {
        async didResolveOperation({ document, operation, request: { variables = {} } }) {
          // Apollo reports an operation name that is not in the document.
          if (!operation) return;
          try {
            requireWithinLimits({ document, operation, variables });
          } catch (error) {
            throw error instanceof AppError ? toGraphQLError(error) : error;
          }
        },
      };
    },
  };
}

/** Converts an error to a GraphQLError with its HTTP status; without one, Apollo responds with 500. */
function toGraphQLError(error: AppError): GraphQLError {
  const http = { status: httpStatusOf(error.code) };
  return new GraphQLError(error.message, {
    originalError: error,
    extensions: { code: error.code, http },
  });
}
