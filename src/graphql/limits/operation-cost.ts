import {
  getDirectiveValues,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isIntrospectionType,
  isListType,
  isObjectType,
  Kind,
  TypeNameMetaFieldDef,
  type DocumentNode,
  type FieldNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { OperatorError } from '../../errors.ts';
import { collectFields, findField, fragmentsOf, selectionSetsOf } from './selections.ts';

/** An operation that was found valid, and so without circles of fragments. */
export type Operation = {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>>;
};

/** How much an operation asks for. */
export type OperationSize = {
  readonly rootFields: number;
  /** How many levels of fields there are. */
  readonly depth: number;
  /** How many values the answer may hold at most: each field counts one, below a list once for each of its entries; `__typename` only alone or with an alias. */
  readonly cost: number;
};

/** Where a walk is: how many such objects there may be, and which of their fields are the lists of a page. */
type Place = {
  readonly level: number;
  readonly times: number;
  readonly page?: { readonly size: number; readonly fields: readonly string[] } | undefined;
};

/** How many fields are looked at, where the cost is too high already. */
const maxVisited = 10_000;

/**
 * Makes what walks an operation as its execution will, and measures it. Beyond the highest cost of interest the walk may
 * end early, so that it is not itself a burden.
 * @throws StartError where the schema has a list without a size.
 */
export function createCostCalculator(
  schema: GraphQLSchema,
  maxCost: number,
): (operation: Operation) => OperationSize {
  const listSizes = readListSizes(schema);
  const weights = readWeights(schema);
  // Of operations in which no variable says how long a list may be. The documents are kept by who parsed them.
  const fixedSizes = new WeakMap<OperationDefinitionNode, OperationSize>();

  return ({ document, operation, variables }) => {
    const known = fixedSizes.get(operation);
    if (known) return known;
    const fragments = fragmentsOf(document);
    let isFixed = true;
    let depth = 0;
    let cost = 0;
    let visited = 0;

    const walk = (fields: Iterable<readonly FieldNode[]>, parent: GraphQLObjectType, place: Place) => {
      const { level, times, page } = place;
      depth = Math.max(depth, level);
      const selected = [...fields];
      for (const nodes of selected) {
        const [node] = nodes as [FieldNode];
        if (selected.length > 1 && isPlainTypename(node)) continue;
        const field = findField(schema, parent, node.name.value);
        cost += times * ((field && weights.get(field)) ?? 1);
        visited++;
        if (visited > maxVisited && cost > maxCost) return;

        const type = field && getNamedType(field.type);
        if (!field || !isObjectType(type)) continue;

        const list = listSizes.get(field);
        if (list && node.arguments?.some(({ value }) => value.kind === Kind.VARIABLE)) isFixed = false;
        const size = list ? readSize(list, field, node, { operation, variables }) : 1;
        const isPage = list !== undefined && list.sizedFields.length > 0;
        const entries = page?.fields.includes(field.name) ? page.size : isPage ? 1 : size;
        walk(collectFields(selectionSetsOf(nodes), fragments).values(), type, {
          // The types of arguments lie deep, and graphql-js limits how often introspection may go in circles.
          level: isIntrospectionType(type) ? level : level + 1,
          times: Math.min(times * entries, Number.MAX_SAFE_INTEGER),
          page: isPage ? { size, fields: list.sizedFields } : undefined,
        });
      }
    };

    const root = collectFields([operation.selectionSet], fragments);
    walk(root.values(), schema.getRootType(operation.operation)!, { level: 1, times: 1 });
    const size = { rootFields: root.size, depth, cost: Math.min(cost, Number.MAX_SAFE_INTEGER) };
    if (isFixed) fixedSizes.set(operation, size);
    return size;
  };
}

/**
 * Whether a field is the `__typename` that clients such as Apollo Client add to each selection. It costs nothing next to another
 * field, so that an object costs one at least; with an alias there could be many.
 */
function isPlainTypename({ name, alias }: FieldNode): boolean {
  return name.value === TypeNameMetaFieldDef.name && alias === undefined;
}

/** What `@listSize` says of a field. */
type ListSize = {
  readonly assumedSize: number;
  readonly slicingArguments: readonly string[];
  readonly sizedFields: readonly string[];
};
type ListSizes = ReadonlyMap<GraphQLField<unknown, unknown>, ListSize>;

/** How many entries a list may have by the arguments of its field: one at least, and at most what is assumed without them. */
function readSize(
  { assumedSize, slicingArguments }: ListSize,
  field: GraphQLField<unknown, unknown>,
  node: FieldNode,
  { operation, variables }: Pick<Operation, 'operation' | 'variables'>,
): number {
  const given = slicingArguments.map((name) => {
    const argument = field.args.find((each) => each.name === name);
    const value = node.arguments?.find((each) => each.name.value === name)?.value;
    if (value?.kind === Kind.INT) return Number(value.value);
    if (value?.kind !== Kind.VARIABLE) return argument?.defaultValue;
    const variable = value.name.value;
    const definition = operation.variableDefinitions?.find((each) => each.variable.name.value === variable);
    const ownDefault = definition?.defaultValue;
    // A null is given, and so no default of the variable's; the resolver takes it for the argument's.
    if (Object.hasOwn(variables, variable)) return variables[variable] ?? argument?.defaultValue;
    return ownDefault?.kind === Kind.INT ? Number(ownDefault.value) : argument?.defaultValue;
  });
  const sizes = given.filter((value) => typeof value === 'number');
  return sizes.length === 0 ? assumedSize : Math.min(Math.max(1, ...sizes), assumedSize);
}

/** @throws StartError where a list of objects has no size, so that its cost would not be seen. */
function readListSizes(schema: GraphQLSchema): ListSizes {
  const directive = schema.getDirective('listSize')!;
  const sizes = readIntrospectionSizes(schema);
  const lists = new Map<GraphQLField<unknown, unknown>, string>();
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type)) continue;
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
  // Of these types by the directive's own definition.
  return {
    assumedSize: assumedSize as number,
    slicingArguments: (slicingArguments ?? []) as string[],
    sizedFields: (sizedFields ?? []) as string[],
  };
}

/** What `@cost` says of fields. */
function readWeights(schema: GraphQLSchema): ReadonlyMap<GraphQLField<unknown, unknown>, number> {
  const directive = schema.getDirective('cost');
  const weights = new Map<GraphQLField<unknown, unknown>, number>();
  const objects = Object.values(schema.getTypeMap()).filter(isObjectType);
  for (const field of objects.flatMap((type) => Object.values(type.getFields()))) {
    const weight = directive && field.astNode && getDirectiveValues(directive, field.astNode)?.['weight'];
    if (typeof weight === 'number') weights.set(field, weight);
  }
  return weights;
}

/** How long the lists of introspection are: on average, so that what walks through all of the schema costs as much as that has. */
function readIntrospectionSizes(schema: GraphQLSchema): Map<GraphQLField<unknown, unknown>, ListSize> {
  const types = Object.values(schema.getTypeMap());
  const directives = schema.getDirectives();
  const fields = types.filter(isObjectType).flatMap((type) => Object.values(type.getFields()));
  const sum = <T>(all: readonly T[], count: (each: T) => number) =>
    all.reduce((total, each) => total + count(each), 0);
  const inputFields = sum(types.filter(isInputObjectType), (type) => Object.keys(type.getFields()).length);
  const enumValues = sum(types.filter(isEnumType), (type) => type.getValues().length);
  const averages: Record<string, Record<string, number>> = {
    __Schema: { types: types.length, directives: directives.length },
    __Type: {
      fields: fields.length / types.length,
      interfaces: 1,
      possibleTypes: 1,
      enumValues: enumValues / types.length,
      inputFields: inputFields / types.length,
    },
    __Field: { args: sum(fields, ({ args }) => args.length) / fields.length },
    __Directive: { args: sum(directives, ({ args }) => args.length) / directives.length },
  };
  const sizes = new Map<GraphQLField<unknown, unknown>, ListSize>();
  for (const [name, lists] of Object.entries(averages)) {
    const definitions = (schema.getType(name) as GraphQLObjectType).getFields();
    for (const [list, average] of Object.entries(lists)) {
      const assumedSize = Math.max(1, Math.ceil(average));
      sizes.set(definitions[list]!, { assumedSize, slicingArguments: [], sizedFields: [] });
    }
  }
  return sizes;
}
