import {
  getDirectiveValues,
  getNamedType,
  isAbstractType,
  isObjectType,
  type FieldNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
} from 'graphql';
import { hasScope, isScope, allScopes, type Scope } from '../accounts/scopes.ts';
import { AppError, OperatorError } from '../errors.ts';
import type { Context } from './context.ts';
import { auditRejectedCall } from './recorded.ts';
import { collectFields, selectionSetsOf, type Fragments } from './limits/selections.ts';

/**
 * Authorizes root fields, including the scopes of nested selections, before a mutation runs: a mutation must not be
 * executed only to hide its result. The scopes come from `schema.graphql` and are added to the descriptions.
 * @throws OperatorError if a root field has no scope, or a field has an unknown one
 */
export function requireScopes(schema: GraphQLSchema): void {
  const declared = readScopes(schema);
  const mutation = schema.getMutationType();

  for (const type of rootTypes(schema)) {
    for (const field of Object.values(type.getFields())) {
      const resolve = field.resolve!;
      field.description = addSentence(field.description ?? '', `Scope: \`${declared.get(field)}\`.`);
      field.resolve = (source, args: object, context: Context, info) => {
        if (type === mutation) context.outcome.reachedFields.add(info.path.key);
        const missing = findMissingScope(declared, context.scopes, info);
        if (missing === undefined) return resolve(source, args, context, info);
        const error = new AppError('FORBIDDEN', `The account needs the scope ${missing}`, {
          requiredScope: missing,
        });
        if (type !== mutation) throw error;
        return auditRejectedCall(args, context, info, error);
      };
    }
  }
}

/** Adds a paragraph to a description, before its examples. */
function addSentence(description: string, sentence: string): string {
  const [text, ...examples] = description.split(/\n\n(?= {4})/);
  return [text, sentence, ...examples].join('\n\n');
}

type Declared = ReadonlyMap<GraphQLField<unknown, unknown>, Scope>;

function readScopes(schema: GraphQLSchema): Declared {
  const directive = schema.getDirective('requiresScope')!;
  const declared = new Map<GraphQLField<unknown, unknown>, Scope>();
  const problems: string[] = [];
  const roots = rootTypes(schema);
  for (const type of Object.values(schema.getTypeMap())) {
    // The concrete type would have to be known before the field is resolved.
    if (isAbstractType(type))
      throw new OperatorError(`${type.name} is abstract: scopes are checked for object types only`);
    if (!isObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      const scope = field.astNode && getDirectiveValues(directive, field.astNode)?.['scope'];
      if (isScope(scope)) declared.set(field, scope);
      else if (scope !== undefined || roots.includes(type)) problems.push(`${type.name}.${field.name}`);
    }
  }
  if (problems.length > 0) {
    throw new OperatorError(
      `schema.graphql must give each of these fields @requiresScope with one of ${allScopes.join(', ')}: ${problems.join(', ')}`,
    );
  }
  return declared;
}

function findMissingScope(
  declared: Declared,
  granted: ReadonlySet<string>,
  { parentType, fieldNodes, fragments }: GraphQLResolveInfo,
): Scope | undefined {
  // Fast path for the most common accounts.
  if (granted.has('*')) return undefined;
  return scopesOf(fieldNodes, parentType, { declared, fragments }).find((scope) => !hasScope(granted, scope));
}

/** Returns the scopes of a field and of everything selected below it, the field's own scope first. */
function scopesOf(
  nodes: readonly FieldNode[],
  parent: GraphQLObjectType,
  document: { declared: Declared; fragments: Fragments },
): Scope[] {
  // `__typename` is not among the fields.
  const field = parent.getFields()[nodes[0]!.name.value];
  if (!field) return [];
  const own = document.declared.get(field);
  const type = getNamedType(field.type);
  const below = isObjectType(type)
    ? [...collectFields(selectionSetsOf(nodes), document.fragments).values()].flatMap((children) =>
        scopesOf(children, type, document),
      )
    : [];
  return own === undefined ? below : [own, ...below];
}

function rootTypes(schema: GraphQLSchema): GraphQLObjectType[] {
  return [schema.getQueryType(), schema.getMutationType()].filter((type) => type != null);
}
