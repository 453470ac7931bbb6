import {
  getDirectiveValues,
  getNamedType,
  getNullableType,
  isIntrospectionType,
  isListType,
  isObjectType,
  Kind,
  SchemaMetaFieldDef,
  TypeNameMetaFieldDef,
  type DocumentNode,
  type FieldNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { AppError, OperatorError } from '../../errors.ts';
import { measureIntrospection } from './introspection-lists.ts';
import { collectFields, findField, fragmentsOf, selectionSetsOf } from './selections.ts';

/** A validated operation, which therefore has no fragment cycles. */
export type Operation = {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>>;
};

/** The size of an operation. */
type OperationSize = {
  readonly rootFields: number;
  /** The number of nested levels of fields. */
  readonly depth: number;
  /**
   * The maximum number of values in the response: each field counts one, below a list once per entry. `__typename`
   * counts only alone or with an alias. More where a field has a weight, as those of introspection.
   */
  readonly cost: number;
  /** Whether the size is the same with any variables: none sets the length of a list. */
  readonly isFixed: boolean;
};

/**
 * A position in the selection: the maximum number of its objects, and which of their fields are the lists of a page.
 */
type Position = {
  readonly level: number;
  readonly multiplier: number;
  readonly page?: { readonly size: number; readonly fields: readonly string[] } | undefined;
  /**
   * The number of `__schema` objects, if this position has each part of the schema at most once for each of them: their
   * lists have as many entries together as the schema has. Without it, each list may be the longest.
   */
  readonly schemas?: number | undefined;
};

/** The number of visited fields after which the walk stops if the cost is too high already. */
const maxVisited = 10_000;

/**
 * Creates a function that computes root fields, depth and cost by walking the selection set. Above `maxCost` the walk
 * may stop early, so that it does not itself become expensive.
 * @throws OperatorError if the schema has a list without a size
 */
export function createCostCalculator(
  schema: GraphQLSchema,
  maxCost: number,
): (operation: Operation) => OperationSize {
  const listSizes = readListSizes(schema);
  const introspectionLists = measureIntrospection(schema);
  const weights = readWeights(schema);

  return ({ document, operation, variables }) => {
    const fragments = fragmentsOf(document);
    let isFixed = true;
    let depth = 0;
    let cost = 0;
    let visited = 0;

    const walk = (fields: Iterable<readonly FieldNode[]>, parent: GraphQLObjectType, position: Position) => {
      const { level, multiplier, page, schemas } = position;
      depth = Math.max(depth, level);
      const selected = [...fields];
      for (const nodes of selected) {
        const [node] = nodes as [FieldNode];
        if (selected.length > 1 && isPlainTypename(node)) continue;
        const field = findField(schema, parent, node.name.value);
        cost += multiplier * ((field && weights.get(field)) ?? 1);
        visited++;
        if (visited > maxVisited && cost > maxCost) return;

        const type = field && getNamedType(field.type);
        const introspected = field && introspectionLists.get(field);
        if (introspected && !isObjectType(type)) cost += multiplier * introspected.longest;
        if (!field || !isObjectType(type)) continue;

        const list = listSizes.get(field);
        if (list && node.arguments?.some(({ value }) => value.kind === Kind.VARIABLE)) isFixed = false;
        const size = list ? listLengthOf(list, field, node, { operation, variables }) : 1;
        const isPage = list !== undefined && list.sizedFields.length > 0;
        const entries = page?.fields.includes(field.name) ? page.size : isPage ? 1 : size;
        const objects = introspected
          ? Math.min(multiplier * introspected.longest, (schemas ?? Infinity) * introspected.total)
          : multiplier * entries;
        walk(collectFields(selectionSetsOf(nodes), fragments).values(), type, {
          // Introspection of argument types is deeply nested; graphql-js limits recursive introspection itself.
          level: isIntrospectionType(type) ? level : level + 1,
          multiplier: Math.min(objects, Number.MAX_SAFE_INTEGER),
          page: isPage ? { size, fields: list.sizedFields } : undefined,
          schemas: field === SchemaMetaFieldDef ? objects : introspected?.isPartition ? schemas : undefined,
        });
      }
    };

    const root = collectFields([operation.selectionSet], fragments);
    const rootType = schema.getRootType(operation.operation);
    if (!rootType) {
      throw new AppError(
        'OPERATION_RESOLUTION_FAILURE',
        `The schema has no ${operation.operation} operations`,
      );
    }
    walk(root.values(), rootType, { level: 1, multiplier: 1 });
    return { rootFields: root.size, depth, cost: Math.min(cost, Number.MAX_SAFE_INTEGER), isFixed };
  };
}

/**
 * Returns whether a field is the `__typename` that clients such as Apollo Client add to each selection. It is free next
 * to another field, so an object still costs at least one. With aliases there could be many of them.
 */
function isPlainTypename({ name, alias }: FieldNode): boolean {
  return name.value === TypeNameMetaFieldDef.name && alias === undefined;
}

/** The arguments of a field's `@listSize`. */
type ListSize = {
  readonly assumedSize: number;
  readonly slicingArguments: readonly string[];
  readonly sizedFields: readonly string[];
};
type ListSizes = ReadonlyMap<GraphQLField<unknown, unknown>, ListSize>;

/** Returns the maximum length of a list by the arguments of its field: between 1 and `assumedSize`. */
function listLengthOf(
  { assumedSize, slicingArguments }: ListSize,
  field: GraphQLField<unknown, unknown>,
  node: FieldNode,
  { operation, variables }: Pick<Operation, 'operation' | 'variables'>,
): number {
  const values = slicingArguments.map((name) => {
    const definition = field.args.find((argument) => argument.name === name);
    const value = node.arguments?.find((argument) => argument.name.value === name)?.value;
    if (value?.kind === Kind.INT) return Number(value.value);
    if (value?.kind !== Kind.VARIABLE) return definition?.defaultValue;
    const variableName = value.name.value;
    const variable = operation.variableDefinitions?.find(
      (declared) => declared.variable.name.value === variableName,
    );
    const variableDefault = variable?.defaultValue;
    // An explicit null overrides the variable's default; the resolver replaces it by the argument's default.
    if (Object.hasOwn(variables, variableName)) return variables[variableName] ?? definition?.defaultValue;
    return variableDefault?.kind === Kind.INT ? Number(variableDefault.value) : definition?.defaultValue;
  });
  const sizes = values.filter((value) => typeof value === 'number');
  return sizes.length === 0 ? assumedSize : Math.min(Math.max(1, ...sizes), assumedSize);
}

/** @throws OperatorError if a list of objects has no size, so that its cost would be ignored */
function readListSizes(schema: GraphQLSchema): ListSizes {
  const directive = schema.getDirective('listSize')!;
  const sizes = new Map<GraphQLField<unknown, unknown>, ListSize>();
  const lists = new Map<GraphQLField<unknown, unknown>, string>();
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || isIntrospectionType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      const declared = field.astNode && getDirectiveValues(directive, field.astNode);
      if (declared) sizes.set(field, toListSize(declared));
      const isList = isListType(getNullableType(field.type)) && isObjectType(getNamedType(field.type));
      if (isList) lists.set(field, `${type.name}.${field.name}`);
    }
  }
  for (const [field, { sizedFields }] of sizes) {
    const type = getNamedType(field.type);
    if (isObjectType(type)) for (const name of sizedFields) lists.delete(type.getFields()[name]!);
    lists.delete(field);
  }
  if (lists.size > 0) {
    throw new OperatorError(
      `schema.graphql must give these lists a @listSize: ${[...lists.values()].join(', ')}`,
    );
  }
  return sizes;
}

function toListSize({ assumedSize, slicingArguments, sizedFields }: Record<string, unknown>): ListSize {
  // The definition of the directive guarantees these types.
  return {
    assumedSize: assumedSize as number,
    slicingArguments: (slicingArguments ?? []) as string[],
    sizedFields: (sizedFields ?? []) as string[],
  };
}

/**
 * The cost of a field of introspection. It is resolved without waiting for the database, so it blocks other requests;
 * and a request needs the schema once, which costs a small part of the limit.
 */
const introspectionWeight = 4;

/** Reads the `@cost` of the fields. */
function readWeights(schema: GraphQLSchema): ReadonlyMap<GraphQLField<unknown, unknown>, number> {
  const directive = schema.getDirective('cost');
  const weights = new Map<GraphQLField<unknown, unknown>, number>();
  for (const type of Object.values(schema.getTypeMap()).filter(isObjectType)) {
    for (const field of Object.values(type.getFields())) {
      const weight = directive && field.astNode && getDirectiveValues(directive, field.astNode)?.['weight'];
      if (typeof weight === 'number') weights.set(field, weight);
      else if (isIntrospectionType(type)) weights.set(field, introspectionWeight);
    }
  }
  return weights;
}
