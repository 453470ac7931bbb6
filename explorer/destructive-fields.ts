import {
  Kind,
  parse,
  valueFromASTUntyped,
  type DocumentNode,
  type FieldNode,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';

/** The root fields that take something away, with what becomes of it. */
const consequences = {
  deleteGroup: 'It can be restored (restoreGroup) until its purge date.',
  deleteGroups: 'They can be restored (restoreGroup) until their purge date.',
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

/** Finds what an operation takes away, dry runs apart. What is not GraphQL is left to the server to complain about. */
export function findDestructiveFields(
  query: string,
  operationName: string | null | undefined,
  variables: unknown,
): DestructiveField[] {
  const document = parseQuery(query);
  const operation = document && findOperation(document, operationName);
  if (!operation) return [];
  const values = { ...readDefaults(operation), ...(variables as object | null | undefined) };
  return rootFields(document, operation.selectionSet).flatMap((field) => {
    const name = field.name.value;
    if (!isDestructive(name)) return [];
    const args = Object.fromEntries(
      (field.arguments ?? []).map((each) => [each.name.value, valueFromASTUntyped(each.value, values)]),
    );
    return args['dryRun'] === true ? [] : [{ name, consequence: consequences[name], args }];
  });
}

function parseQuery(query: string): DocumentNode | undefined {
  try {
    return parse(query);
  } catch {
    return undefined;
  }
}

function findOperation(document: DocumentNode, name: string | null | undefined) {
  const operations = document.definitions.filter((each) => each.kind === Kind.OPERATION_DEFINITION);
  return name ? operations.find((each) => each.name?.value === name) : operations[0];
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
