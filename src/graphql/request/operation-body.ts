import {
  getNamedType,
  getNullableType,
  isLeafType,
  isListType,
  isObjectType,
  Kind,
  parse,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';
import { badInput } from '../../errors.ts';

/** A GraphQL request as its HTTP body holds it. */
export type GraphQLRequestBody = {
  query?: unknown;
  /** Names an operation that the server knows. */
  documentId?: unknown;
  variables?: unknown;
  operationName?: unknown;
  extensions?: unknown;
};

/**
 * Looks at a request before anything parses its query, and answers the one to be carried out.
 * @throws AppError QUERY_TOO_COMPLEX, OPERATION_NOT_ALLOWED
 */
export type RequestFilter = (request: GraphQLRequestBody) => GraphQLRequestBody;

/** Turns the body of `POST /<root field>` into a GraphQL request. @throws AppError BAD_USER_INPUT */
export type ParseOperationBody = (body: unknown) => GraphQLRequestBody;

const requestKeys = ['query', 'documentId', 'variables', 'operationName', 'extensions'];

/**
 * For each root field of the schema, what reads the body of its own HTTP path. Such a body holds a GraphQL request whose
 * only root field is that one; or, without a `query`, variables; or the arguments themselves.
 */
export function createOperationBodyParsers(
  schema: GraphQLSchema,
  prepare: RequestFilter,
): Map<string, ParseOperationBody> {
  const roots = [
    { kind: 'query', type: schema.getQueryType() },
    { kind: 'mutation', type: schema.getMutationType() },
  ];
  return new Map(
    roots.flatMap(({ kind, type }) =>
      Object.values(type?.getFields() ?? {}).map(
        (field) => [field.name, createReader(kind, field, prepare)] as const,
      ),
    ),
  );
}

function createReader(
  kind: string,
  field: GraphQLField<unknown, unknown>,
  prepare: RequestFilter,
): ParseOperationBody {
  const defaultQuery = writeDefaultQuery(kind, field);
  const argumentNames = new Set(field.args.map(({ name }) => name));

  return (body) => {
    const given = body ?? {};
    if (!isObject(given)) throw badInput('body', 'The body must be a JSON object');

    const isRequest = Object.keys(given).some((key) => requestKeys.includes(key));

    const request: GraphQLRequestBody = isRequest ? given : { variables: given };
    if (namesOperation(request)) {
      const prepared = prepare(withoutEmptyName(request));
      requireOnlyRootField(prepared.query, field.name);
      return prepared;
    }
    const stray = isRequest && Object.keys(given).find((key) => !requestKeys.includes(key));
    if (stray)
      throw badInput(
        stray,
        `Move "${stray}" into "variables", or omit "variables": otherwise it would be ignored`,
      );
    if (!isObject(request.variables ?? {})) throw badInput('variables', 'variables must be a JSON object');
    const unknown = Object.keys(request.variables ?? {}).find((name) => !argumentNames.has(name));
    if (unknown !== undefined) {
      throw badInput(
        unknown,
        `${field.name} has no argument "${unknown}"; it has ${[...argumentNames].join(', ') || 'none'}`,
      );
    }
    return prepare({ variables: request.variables, query: defaultQuery });
  };
}

/** An empty name is none, as some clients send it. */
export function withoutEmptyName(request: GraphQLRequestBody): GraphQLRequestBody {
  return request.operationName === '' ? { ...request, operationName: null } : request;
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function namesOperation({ query, documentId, extensions }: GraphQLRequestBody): boolean {
  return query != null || documentId != null || (isObject(extensions) && 'persistedQuery' in extensions);
}

/** A query that is not a GraphQL document passes, for Apollo to complain about. */
function requireOnlyRootField(query: unknown, fieldName: string): void {
  let document;
  try {
    document = parse(String(query));
  } catch {
    return;
  }
  const operations = document.definitions.filter((each) => each.kind === Kind.OPERATION_DEFINITION);
  const selections = operations.flatMap((each) => each.selectionSet.selections);
  const [selection] = selections;
  if (
    operations.length !== 1 ||
    selections.length !== 1 ||
    selection?.kind !== Kind.FIELD ||
    selection.name.value !== fieldName
  ) {
    throw badInput(
      'query',
      `The query must be one operation whose only root field is ${fieldName}; use /graphql for any other`,
    );
  }
}

/** Writes an operation that passes every argument on and selects every scalar field of the result. */
function writeDefaultQuery(kind: string, field: GraphQLField<unknown, unknown>): string {
  const variables = field.args
    .map(({ name, type }) => `$${name}: ${String(getNullableType(type))}`)
    .join(', ');
  const passed = field.args.map(({ name }) => `${name}: $${name}`).join(', ');
  const type = getNamedType(field.type);
  const selection = isObjectType(type) ? `{ ${writeSelection(type)} }` : '';
  return `${kind} ${field.name}${inParentheses(variables)} { ${field.name}${inParentheses(passed)} ${selection} }`;
}

function inParentheses(text: string): string {
  return text ? `(${text})` : '';
}

/** Scalars only; of a connection, whose own scalars say nothing, those of its nodes and of its `pageInfo` too. */
function writeSelection(type: GraphQLObjectType): string {
  const fields = Object.values(type.getFields());
  const leaves = fields.filter(
    (field) => isLeafType(getNamedType(field.type)) && !isListType(getNullableType(field.type)),
  );
  const parts = fields.filter(
    ({ name }) => type.name.endsWith('Connection') && (name === 'nodes' || name === 'pageInfo'),
  );
  return [
    ...leaves.map(({ name }) => name),
    ...parts.map(
      ({ name, type: part }) => `${name} { ${writeSelection(getNamedType(part) as GraphQLObjectType)} }`,
    ),
  ].join(' ');
}
