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

const restorable = 'restoreGroup brings back what the server keeps, by default for 30 days.';

/** The root fields that take something away, with what becomes of it. */
const consequences = {
  deleteGroup: restorable,
  deleteGroups: restorable,
  purgeDeletedGroup: 'It is gone for good: this cannot be undone.',
  deleteServiceGroup: 'This cannot be undone.',
  removeUserSubscription: 'The subscription ends at once.',
} as const;

type FieldName = keyof typeof consequences;

/** A field of an operation that takes something away. */
export type DestructiveField = {
  readonly name: FieldName;
  readonly consequence: string;
  readonly args: Readonly<Record<string, unknown>>;
};

/** What is to be sent. */
export type Operation = {
  readonly name: string | null | undefined;
  readonly isMutation: boolean;
  /** Dry runs apart. */
  readonly destructiveFields: readonly DestructiveField[];
};

/**
 * Reads which operation of a query is meant, and what it takes away. For a moment after another tab was opened GraphiQL still names
 * the operation of the one before: where the query has a single one, that is it. What is not GraphQL is left to the server to refuse.
 */
export function readOperation(
  query: string,
  givenName: string | null | undefined,
  variables: unknown,
): Operation {
  const document = parseQuery(query);
  const operations = document?.definitions.filter((each) => each.kind === Kind.OPERATION_DEFINITION) ?? [];
  const operation =
    operations.length === 1 ? operations[0] : operations.find((each) => each.name?.value === givenName);
  if (!document || !operation) return { name: givenName, isMutation: true, destructiveFields: [] };
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
    (field.arguments ?? []).map((each) => [each.name.value, valueFromASTUntyped(each.value, values)]),
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

/** Fragments of fragments of themselves are the server's to refuse. */
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
      (each) => each.kind === Kind.FRAGMENT_DEFINITION && each.name.value === name,
    );
    if (fragment?.kind !== Kind.FRAGMENT_DEFINITION || entered.includes(name)) return [];
    return rootFields(document, fragment.selectionSet, [...entered, name]);
  });
}

function isDestructive(name: string): name is FieldName {
  return Object.hasOwn(consequences, name);
}
