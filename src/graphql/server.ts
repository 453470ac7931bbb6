import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
} from '@apollo/server/plugin/disabled';
import { GraphQLError, type GraphQLErrorExtensions, type GraphQLSchema } from 'graphql';
import { hasScope } from '../accounts/scopes.ts';
import { AppError, httpStatusOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Context } from './context.ts';
import { formatError, isPlanned } from './format-error.ts';
import { createLimitCheck, type OperationLimits } from './operation-limits.ts';
import type { Operation } from './operation-size.ts';

/**
 * Headers that a browser does not send on its own, as by a form or an image (of `authorization` only tokens get here): a
 * request with one of them comes from a program.
 * @see https://www.apollographql.com/docs/apollo-server/security/cors#preventing-cross-site-request-forgery-csrf
 */
const programHeaders = ['authorization', 'x-apikey', 'apollo-require-preflight', 'x-apollo-operation-name'];

/** The headers of a request that the GraphQL server looks at. */
export const graphQLHeaders: readonly string[] = ['accept', 'content-type', ...programHeaders];

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
      refuseLargeOperations(createLimitCheck(schema, limits)),
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
          if (!isPlanned(error))
            log.error({ err: error.originalError ?? error, path: error.path }, 'unplanned error');
        }
      },

      async willSendResponse({ response: { body }, contextValue: { outcome, caller, scopes } }) {
        if (body.kind !== 'single' || !body.singleResult.errors) return;

        const result = body.singleResult;
        const errors = result.errors!.map((error) => ({
          ...error,
          extensions: completeExtensions(error.extensions ?? {}, { caller, scopes }),
        }));
        result.errors = errors;
        outcome.errorCodes = errors.map(({ extensions }) => extensions?.['code']);
        // Where nothing at all was answered there is no data, not even null: only then may the status be 503.
        // https://graphql.github.io/graphql-over-http/draft/#sec-application-graphql-response-json
        outcome.isUnavailable =
          outcome.errorCodes.every((code) => code === 'SERVICE_UNAVAILABLE') &&
          Object.values(result.data ?? {}).every((value) => value === null);
        if (outcome.isUnavailable) delete result.data;
      },
    };
  },
};

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

/** Asks for each request, since the size of a list may be in a variable. */
function refuseLargeOperations(
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
            if (!(error instanceof AppError)) throw error;
            // Apollo takes the status of any other error for 500.
            const http = { status: httpStatusOf(error.code) };
            throw new GraphQLError(error.message, {
              originalError: error,
              extensions: { code: error.code, http },
            });
          }
        },
      };
    },
  };
}
