import { readFileSync } from 'node:fs';
import { makeExecutableSchema } from '@graphql-tools/schema';
import { isNonNullType, type GraphQLSchema } from 'graphql';
import { gql } from 'graphql-tag';
import { resolvers } from './resolvers.ts';
import { requireScopes } from './scopes.ts';

/** The path is the same relative to `src` and to `dist`. */
const schemaFile = new URL('../../schema.graphql', import.meta.url);

/** The text of `schema.graphql`. */
export function readSchemaSource(): string {
  return readFileSync(schemaFile, 'utf8');
}

/**
 * Creates the schema from `schema.graphql` and the resolvers.
 * @throws OperatorError if a field has no scope; an error if a resolver has no field
 */
export function createSchema(): GraphQLSchema {
  const schema = makeExecutableSchema({
    typeDefs: gql(readSchemaSource()),
    resolvers,
    resolverValidationOptions: { requireResolversToMatchSchema: 'error' },
  });
  acceptNullableVariables(schema);
  requireScopes(schema);
  return schema;
}

/**
 * Accepts variables that are declared nullable for the required arguments of root fields: the vendor's clients send
 * `mutation ($id: Int) { deleteGroup(id: $id) … }` as well as `$id: Int!`. Validation allows this if the argument has a
 * default value. This one is null, which neither introspection nor the printed schema shows, and which the parsers
 * reject like any other invalid value.
 * @see https://spec.graphql.org/October2021/#sec-All-Variable-Usages-are-Allowed
 */
function acceptNullableVariables(schema: GraphQLSchema): void {
  for (const type of [schema.getQueryType(), schema.getMutationType()]) {
    for (const field of Object.values(type?.getFields() ?? {})) {
      for (const argument of field.args) {
        if (isNonNullType(argument.type)) argument.defaultValue ??= null;
      }
    }
  }
}
