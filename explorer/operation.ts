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
  purgeDeletedGroup: 'The group is deleted permanently. This cannot be undone.',
  deleteServiceGroup: 'This cannot be undone.',
  removeUserSubscription: 'The subscription ends immediately.',
} as const;

type FieldName = keyof typeof consequences;

/** A root field that deletes something. */
export type DestructiveField = {
  readonly name: FieldName;
  readonly consequence: string;
  readonly args: Readonly<Record<string, unknown>>;
};

/** The operation that is sent. */
export type Operation = {
  readonly name: string | null | undefined;
  readonly isMutation: boolean;
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
  if (!document || !operation) return { name: selectedName, isMutation: true, destructiveFields: [] };
  const values = { ...readDefaults(operation), ...(variables as object | null | undefined) };
  return {
    name: operation.name?.value,
    isMutation: operation.operation === OperationTypeNode.MUTATION,
    destructiveFields: rootFields(document, operation.selectionSet).flatMap((field) =>
      readField(field, values),
    ),
  };
}

function readField(field: FieldNode, values: Record<string, unknown>): DestructiveField[] {
  const name = field.name.value;
  if (!isDestructive(name)) return [];
  const args = Object.fromEntries(
    (field.arguments ?? []).map((argument) => [
      argument.name.value,
      valueFromASTUntyped(argument.value, values),
    ]),
  );
  return args['dryRun'] === true ? [] : [{ name, consequence: consequences[name], args }];
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
