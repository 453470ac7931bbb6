import { readFileSync } from 'node:fs';
import { makeExecutableSchema } from '@graphql-tools/schema';
import { isNonNullType, type GraphQLSchema } from 'graphql';
import { gql } from 'graphql-tag';
import { resolvers } from './resolvers.ts';
import { isRootResolver } from './root-fields.ts';
import { declareScopes, rootTypes } from './scopes.ts';

/** The path is the same relative to `src` and to `dist`. */
const schemaFile = new URL('../../schema.graphql', import.meta.url);

/** The text of `schema.graphql`. */
export function readSchemaSource(): string {
  return readFileSync(schemaFile, 'utf8');
}

/**
 * Creates the schema from `schema.graphql` and the resolvers.
 * @throws OperatorError if a field has no scope; an error if a resolver has no field, or a root field's resolver checks
 * no scope
 */
export function createSchema(): GraphQLSchema {
  const schema = makeExecutableSchema({
    typeDefs: gql(readSchemaSource()),
    resolvers,
    resolverValidationOptions: { requireResolversToMatchSchema: 'error' },
  });
  acceptNullableVariables(schema);
  declareScopes(schema);
  requireRootResolvers(schema);
  return schema;
}

/**
 * Every root field must be resolved by `queryResolver` or `mutationResolver`, which check scopes and audit. Those of
 * subscriptions have no resolver: src/events serves them.
 */
function requireRootResolvers(schema: GraphQLSchema): void {
  for (const type of rootTypes(schema).filter((root) => root !== schema.getSubscriptionType())) {
    const created: Readonly<Record<string, unknown>> = resolvers[type.name as 'Query' | 'Mutation'] ?? {};
    const bare = Object.keys(type.getFields()).filter((name) => !isRootResolver(created[name]));
    if (bare.length > 0)
      throw new Error(
        `${type.name}.${bare.join(', ')} must be created with queryResolver or mutationResolver`,
      );
  }
}

/**
 * Accepts variables that are declared nullable for the required arguments of root fields: the vendor's clients send
 * `mutation ($id: Int) { deleteGroup(id: $id) … }` as well as `$id: Int!`. Validation allows this if the argument has a
 * default value. This one is null, which neither introspection nor the printed schema shows, and which the parsers
 * reject like any other invalid value.
 * @see https://spec.graphql.org/October2021/#sec-All-Variable-Usages-are-Allowed
 */
function acceptNullableVariables(schema: GraphQLSchema): void {
  for (const type of rootTypes(schema)) {
    for (const field of Object.values(type.getFields())) {
      for (const argument of field.args) {
        if (isNonNullType(argument.type)) argument.defaultValue ??= null;
      }
    }
  }
}
