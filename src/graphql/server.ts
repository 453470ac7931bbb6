import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import { ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled';
import type { GraphQLSchema } from 'graphql';
import type { Logger } from '../log.ts';
import type { Context } from './context.ts';
import { formatError, isPlanned } from './format-error.ts';

/** Starts Apollo Server on the schema. Stop it with `stop()`. */
export async function openGraphQLServer(schema: GraphQLSchema, log: Logger): Promise<ApolloServer<Context>> {
  const server = new ApolloServer<Context>({
    schema,
    logger: log,
    formatError,
    plugins: [ApolloServerPluginLandingPageDisabled(), reportOutcome],
    // Apollo decides these by NODE_ENV; an API must not change with it.
    introspection: true,
    persistedQueries: false,
    includeStacktraceInErrorResponses: false,
    // The process, which knows what else is to be closed, listens to the signals.
    stopOnTerminationSignals: false,
    // A browser sends none of these from a form or an image: https://www.apollographql.com/docs/apollo-server/security/cors#preventing-cross-site-request-forgery-csrf
    csrfPrevention: {
      requestHeaders: ['authorization', 'x-apikey', 'apollo-require-preflight', 'x-apollo-operation-name'],
    },
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

      async willSendResponse({ response: { body }, contextValue: { outcome, caller } }) {
        if (body.kind !== 'single' || !body.singleResult.errors) return;

        const result = body.singleResult;
        const errors = result.errors!.map((error) =>
          error.extensions?.['code'] === 'INTERNAL_SERVER_ERROR'
            ? { ...error, extensions: { ...error.extensions, requestId: caller.requestId } }
            : error,
        );
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
