import { readFileSync } from 'node:fs';
import { makeExecutableSchema } from '@graphql-tools/schema';
import { isNonNullType, type GraphQLSchema } from 'graphql';
import { gql } from 'graphql-tag';
import { resolvers } from './resolvers.ts';
import { requireScopes } from './scopes.ts';

/** The API's source, beside `src` and `dist` alike. */
const schemaFile = new URL('../../schema.graphql', import.meta.url);

/** The text of `schema.graphql`. */
export function readSchemaSource(): string {
  return readFileSync(schemaFile, 'utf8');
}

/** Builds the schema from `schema.graphql` and the resolvers; a resolver for a field that is not there fails. @throws StartError where a field has no scope */
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
 * Lets a root field's required argument be fed from a variable that is declared nullable: clients of the vendor send
 * `mutation ($id: Int) { deleteGroup(id: $id) … }` as well as `$id: Int!`. Validation allows that where the argument has
 * a default; this one is null, which neither introspection nor a printed schema shows, and which the parsers refuse
 * like any other bad value.
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
