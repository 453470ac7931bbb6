import type { ApolloServerOptionsWithGateway } from '@apollo/server';
import {
  execute,
  getVariableValues,
  type DocumentNode,
  type ExecutionResult,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import type { CompiledQuery } from 'graphql-jit';
import { LRUCache } from 'lru-cache';
import type { Context } from './context.ts';

/** How often an operation is carried out before it is compiled, which takes longer than to carry it out a few times. */
const usesBeforeCompiling = 3;
const maxOperations = 500;

/** An operation that was found valid, and its compiled form where it came often enough; null where it cannot be compiled. */
type KnownOperation = { uses: number; compiled?: CompiledQuery | null };

/**
 * Makes Apollo Server execute the operations that come again and again by functions that are compiled for them, with the
 * results that graphql-js has. Apollo takes an executor by the name of a gateway.
 * @see https://www.apollographql.com/docs/apollo-server/migration-from-v3#executor
 */
export function createExecutor(
  schema: GraphQLSchema,
): NonNullable<ApolloServerOptionsWithGateway<Context>['gateway']> {
  const operations = new LRUCache<OperationDefinitionNode, KnownOperation>({ max: maxOperations });

  const findCompiled = async (document: DocumentNode, operation: OperationDefinitionNode) => {
    let known = operations.get(operation);
    if (!known) operations.set(operation, (known = { uses: 0 }));
    known.uses++;
    if (known.compiled === undefined && known.uses > usesBeforeCompiling) {
      // Not before it is needed: the server starts sooner.
      const { compileQuery, isCompiledQuery } = await import('graphql-jit');
      const compiled = compileQuery(schema, document, operation.name?.value);
      known.compiled = isCompiledQuery(compiled) ? compiled : null;
    }
    return known.compiled;
  };

  return {
    load: async () => ({
      executor: async ({ document, operation, context, request: { operationName, variables = {} } }) => {
        const compiled = operation && (await findCompiled(document, operation));
        // Read by graphql-js, since the compiled function knows no defaults within an input, and takes some values that do not fit.
        const read = compiled && getVariableValues(schema, operation.variableDefinitions ?? [], variables);
        const result = read?.coerced && (await compiled!.query(undefined, context, read.coerced));
        // Without data nothing was carried out.
        if (result && result.data !== undefined) return withExtensions(result);
        return execute({ schema, document, contextValue: context, variableValues: variables, operationName });
      },
    }),
    onSchemaLoadOrUpdate(announce) {
      announce({ apiSchema: schema, coreSupergraphSdl: '' });
      return () => undefined;
    },
    stop: async () => undefined,
  };
}

/** Gives errors the empty `extensions` that those of graphql-js have. */
function withExtensions(result: ExecutionResult): ExecutionResult {
  if (!result.errors) return result;
  const errors = result.errors.map((error) =>
    Object.create(error, { extensions: { value: error.extensions ?? {} } }),
  );
  return { ...result, errors };
}
