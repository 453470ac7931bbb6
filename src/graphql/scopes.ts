import {
  getDirectiveValues,
  isAbstractType,
  isObjectType,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';
import { isScope, allScopes } from '../accounts/scopes.ts';
import { OperatorError } from '../errors.ts';

/**
 * Reads the scopes from `schema.graphql` (`@requiresScope`), stores them in the fields' `extensions.scope`, and adds
 * them to the descriptions of root fields.
 * @throws OperatorError if a root field has no scope, or a field has an unknown one
 */
export function declareScopes(schema: GraphQLSchema): void {
  const directive = schema.getDirective('requiresScope')!;
  const problems: string[] = [];
  const roots = rootTypes(schema);
  for (const type of Object.values(schema.getTypeMap())) {
    // The concrete type would have to be known before the field is resolved.
    if (isAbstractType(type))
      throw new OperatorError(`${type.name} is abstract: scopes are checked for object types only`);
    if (!isObjectType(type)) continue;
    const isRoot = roots.includes(type);
    for (const field of Object.values(type.getFields())) {
      const scope = field.astNode && getDirectiveValues(directive, field.astNode)?.['scope'];
      if (isScope(scope)) field.extensions = { ...field.extensions, scope };
      else if (scope !== undefined || isRoot) problems.push(`${type.name}.${field.name}`);
      if (isRoot) field.description = addSentence(field.description ?? '', `Scope: \`${String(scope)}\`.`);
    }
  }
  if (problems.length > 0) {
    throw new OperatorError(
      `schema.graphql must give each of these fields @requiresScope with one of ${allScopes.join(', ')}: ${problems.join(', ')}`,
    );
  }
}

/** Adds a paragraph to a description, before its examples. */
function addSentence(description: string, sentence: string): string {
  const [text, ...examples] = description.split(/\n\n(?= {4})/);
  return [text, sentence, ...examples].join('\n\n');
}

/** The types of queries, mutations and subscriptions. */
export function rootTypes(schema: GraphQLSchema): GraphQLObjectType[] {
  const types = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  return types.filter((type) => type != null);
}
