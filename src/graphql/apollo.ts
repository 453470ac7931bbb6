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
 * Headers that a browser does not send on its own, as by a form or an image (of `authorization` only tokens get here): a
 * request with one of them comes from a program.
 * @see https://www.apollographql.com/docs/apollo-server/security/cors#preventing-cross-site-request-forgery-csrf
 */
const programHeaders = ['authorization', 'x-apikey', 'apollo-require-preflight', 'x-apollo-operation-name'];

/** The headers of a request that the GraphQL server looks at, next to `accept`. */
export const graphQLHeaders: readonly string[] = ['content-type', ...programHeaders];

/** What may be asked of the server. */
export type GraphQLSettings = { readonly limits: OperationLimits; readonly introspection: boolean };

/** Starts Apollo Server on the schema. Stop it with `stop()`. @throws StartError */
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
      // No field has a cache hint, and without this plugin none is wrapped to look for one.
      ApolloServerPluginCacheControlDisabled(),
      // It is for parts of a larger graph, and slow to load.
      ApolloServerPluginInlineTraceDisabled(),
      reportOutcome,
      rejectLargeOperations(createLimitCheck(schema, limits)),
      // After the limits, which are the client's to mend first.
      rejectUnreadableResponse,
    ],
    // Apollo decides these by NODE_ENV; an API must not change with it.
    introspection,
    // Without the schema, no suggestions from it either.
    hideSchemaDetailsFromClientErrors: !introspection,
    persistedQueries: false,
    includeStacktraceInErrorResponses: false,
    allowBatchedHttpRequests: false,
    // The process, which knows what else is to be closed, listens to the signals.
    stopOnTerminationSignals: false,
    csrfPrevention: { requestHeaders: programHeaders },
  });
  await server.start();
  return server;
}

/** Logs what was not planned, and tells the HTTP side how the operation ended. */
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
        // Where nothing at all was answered there is no data, not even null: only then may the status be 503.
        // https://graphql.github.io/graphql-over-http/draft/#sec-application-graphql-response-json
        outcome.isUnavailable =
          !outcome.isDone && outcome.errors.every(({ code }) => code === 'SERVICE_UNAVAILABLE');
        if (outcome.isUnavailable) delete result.data;
      },
    };
  },
};

/**
 * Whether a root field has a result. A mutation whose result is null for an error below it has been done all the same: its
 * resolver succeeded, and the error is that of a field that has no null.
 */
function isDone(
  data: Record<string, unknown> | null | undefined,
  { errors }: Outcome,
  isMutation: boolean,
): boolean {
  if (Object.values(data ?? {}).some((value) => value !== null)) return true;
  return isMutation && errors.some(({ path = [] }) => path.length > 1);
}

/** Adds what only the request knows, and takes away what its account may not read: who is on a group. */
function completeExtensions(
  { usernames, ...extensions }: GraphQLErrorExtensions,
  { caller, scopes }: Pick<Context, 'caller' | 'scopes'>,
): GraphQLErrorExtensions {
  const isFault = extensions['code'] === 'INTERNAL_SERVER_ERROR';
  const mayReadUsernames = usernames !== undefined && hasScope(scopes, 'subscribers:read');
  return {
    ...extensions,
    ...(isFault && { requestId: caller.requestId }),
    ...(mayReadUsernames && { usernames }),
  };
}

/**
 * Rejects a request before its execution if the client accepts no media type that GraphQL has: a mutation is not done in order
 * to answer 406. Variables that cannot be coerced are left to the execution, which does not begin for them.
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

/** Asks for each request, since the size of a list may be in a variable. */
function rejectLargeOperations(
  requireWithinLimits: (operation: Operation) => void,
): ApolloServerPlugin<Context> {
  return {
    async requestDidStart() {
      return {
        async didResolveOperation({ document, operation, request: { variables = {} } }) {
          // Apollo says of a name that is not in the document what is to be said.
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

/** Gives an error its HTTP status, since Apollo responds with 500 to any other. */
function toGraphQLError(error: AppError): GraphQLError {
  const http = { status: httpStatusOf(error.code) };
  return new GraphQLError(error.message, {
    originalError: error,
    extensions: { code: error.code, http },
  });
}
