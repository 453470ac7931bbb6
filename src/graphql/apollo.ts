import { ApolloServer, type ApolloServerPlugin, type GraphQLRequestListener } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
} from '@apollo/server/plugin/disabled';
import {
  getVariableValues,
  GraphQLError,
  type GraphQLErrorExtensions,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { hasScope } from '../accounts/scopes.ts';
import { AppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Context } from './context.ts';
import { codeOf, formatError, isExpectedError } from './format-error.ts';
import { rootFieldsOf } from './operation-root-fields.ts';
import { createLimitCheck, type OperationLimits } from './limits/operation-limits.ts';
import type { Operation } from './limits/operation-cost.ts';
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
type GraphQLSettings = { readonly limits: OperationLimits; readonly introspection: boolean };

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
    stringifyResult,
    plugins: [
      ApolloServerPluginLandingPageDisabled(),
      // No field has a cache hint. Without this plugin, Apollo wraps every field to look for one.
      ApolloServerPluginCacheControlDisabled(),
      // Inline traces are for federated subgraphs, and the plugin is slow to load.
      ApolloServerPluginInlineTraceDisabled(),
      createRequestPlugin(createLimitCheck(schema, limits)),
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

/**
 * Creates the plugin that checks operations before their execution, logs unexpected errors, and completes the
 * extensions of all errors. One plugin with one listener for all requests: Apollo Server waits for a promise for each
 * listener and event.
 */
function createRequestPlugin(
  requireWithinLimits: (operation: Operation) => void,
): ApolloServerPlugin<Context> {
  const listener: GraphQLRequestListener<Context> = {
    async didResolveOperation({ schema, document, operation, request: { variables = {} }, contextValue }) {
      // Apollo reports an operation name that is not in the document.
      if (!operation) return;
      const { summary } = contextValue;
      // At `/<root field>` it is the path.
      if (summary.rootFields.length === 0) summary.rootFields = rootFieldsOf(operation, document);
      try {
        // For each request, since a variable may contain the size of a list.
        requireWithinLimits({ document, operation, variables });
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

/** Converts an error to a GraphQLError: Apollo masks the code of any other error. */
function toGraphQLError(error: AppError): GraphQLError {
  return new GraphQLError(error.message, { originalError: error, extensions: { code: error.code } });
}
