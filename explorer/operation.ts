import {
  Kind,
  OperationTypeNode,
  parse,
  valueFromASTUntyped,
  type DocumentNode,
  type FieldNode,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';

const restorable = 'restoreGroup can undo this until the archive expires (after 30 days by default).';

/** The destructive root fields, and their consequences. */
const consequences = {
  deleteGroup: restorable,
  deleteGroups: restorable,
  retireGroup: 'A server deletes the group later. cancelRetirement stops that, restoreGroup can undo it.',
  purgeDeletedGroup: 'The group is deleted permanently. This cannot be undone.',
  deleteServiceGroup: 'This cannot be undone.',
  removeUserSubscription: 'The subscription ends immediately.',
} as const;

type FieldName = keyof typeof consequences;

/** The root fields that never remove what blocks a later delete of another group. */
const unblockNothing: ReadonlySet<string> = new Set<FieldName>([
  'deleteGroup',
  'deleteGroups',
  'retireGroup',
  'purgeDeletedGroup',
  'deleteServiceGroup',
]);

/** A root field that deletes something. */
export type DestructiveField = {
  readonly name: FieldName;
  /** The name of its result in the response: its alias, if it has one. */
  readonly resultName: string;
  readonly consequence: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** Whether a root field before it, which is executed first, may remove what blocks it: `editGroup`, for example. */
  readonly mayBeUnblocked: boolean;
  /** Where it is in the query. */
  readonly node: FieldNode;
};

/** The operation that is sent. */
export type Operation = {
  readonly name: string | null | undefined;
  readonly isMutation: boolean;
  readonly isSubscription: boolean;
  /** Without dry runs. */
  readonly destructiveFields: readonly DestructiveField[];
};

/**
 * Reads the selected operation of a query, and its destructive fields. Right after a change of tabs GraphiQL still
 * names the operation of the previous tab: if the query has a single operation, that one is selected. Invalid GraphQL
 * is left to the server, which rejects it.
 */
export function readOperation(
  query: string,
  selectedName: string | null | undefined,
  variables: unknown,
): Operation {
  const document = parseQuery(query);
  const operations =
    document?.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION) ?? [];
  const operation =
    operations.length === 1
      ? operations[0]
      : operations.find((definition) => definition.name?.value === selectedName);
  if (!document || !operation)
    return { name: selectedName, isMutation: true, isSubscription: false, destructiveFields: [] };
  const values = { ...readDefaults(operation), ...(variables as object | null | undefined) };
  return {
    name: operation.name?.value,
    isMutation: operation.operation === OperationTypeNode.MUTATION,
    isSubscription: operation.operation === OperationTypeNode.SUBSCRIPTION,
    destructiveFields: readFields(rootFields(document, operation.selectionSet), values),
  };
}

function readFields(nodes: readonly FieldNode[], values: Record<string, unknown>): DestructiveField[] {
  let mayBeUnblocked = false;
  return nodes.flatMap((node) => {
    const name = node.name.value;
    const args = readArguments(node, values);
    if (args['dryRun'] === true || name === '__typename') return [];
    const isAfterChange = mayBeUnblocked;
    mayBeUnblocked ||= !unblockNothing.has(name);
    if (!isDestructive(name)) return [];
    const resultName = node.alias?.value ?? name;
    return [{ name, resultName, consequence: consequences[name], args, mayBeUnblocked: isAfterChange, node }];
  });
}

function readArguments(
  { arguments: args = [] }: FieldNode,
  values: Record<string, unknown>,
): Record<string, unknown> {
  return Object.fromEntries(args.map(({ name, value }) => [name.value, valueFromASTUntyped(value, values)]));
}

/** Sets the argument `moveSubscribersTo` of a `deleteGroup`: in the query, or the variable that it is in the query. */
export function withMoveTarget(
  { query, variables }: { query: string; variables: unknown },
  { node: { arguments: args = [] } }: DestructiveField,
  target: number,
): { query: string; variables: unknown } {
  const argument = args.find(({ name }) => name.value === 'moveSubscribersTo');
  if (argument?.value.kind === Kind.VARIABLE)
    return { query, variables: { ...(variables as object | null), [argument.value.name.value]: target } };
  const { start, end } = argument?.loc ?? { start: args.at(-1)!.loc!.end, end: args.at(-1)!.loc!.end };
  const text = `${argument ? '' : ', '}moveSubscribersTo: ${target}`;
  return { query: query.slice(0, start) + text + query.slice(end), variables };
}

function parseQuery(query: string): DocumentNode | undefined {
  try {
    return parse(query);
  } catch {
    return undefined;
  }
}

function readDefaults({ variableDefinitions = [] }: OperationDefinitionNode): Record<string, unknown> {
  return Object.fromEntries(
    variableDefinitions.flatMap(({ variable, defaultValue }) =>
      defaultValue ? [[variable.name.value, valueFromASTUntyped(defaultValue)]] : [],
    ),
  );
}

/** Enters each fragment once: the server rejects cycles. */
function rootFields(
  document: DocumentNode,
  { selections }: SelectionSetNode,
  entered: readonly string[] = [],
): FieldNode[] {
  return selections.flatMap((selection) => {
    if (selection.kind === Kind.FIELD) return [selection];
    if (selection.kind === Kind.INLINE_FRAGMENT) return rootFields(document, selection.selectionSet, entered);
    const name = selection.name.value;
    const fragment = document.definitions.find(
      (definition) => definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === name,
    );
    if (fragment?.kind !== Kind.FRAGMENT_DEFINITION || entered.includes(name)) return [];
    return rootFields(document, fragment.selectionSet, [...entered, name]);
  });
}

function isDestructive(name: string): name is FieldName {
  return Object.hasOwn(consequences, name);
}
