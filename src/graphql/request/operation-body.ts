import {
  getNamedType,
  getNullableType,
  isLeafType,
  isObjectType,
  isRequiredArgument,
  Kind,
  parse,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';
import { badInput } from '../../errors.ts';
import type { KnownQueries, KnownQuery } from '../known-queries.ts';
import { quoteValue } from '../../validation/quote-value.ts';

/** A GraphQL request as in the HTTP body. */
export type GraphQLRequestBody = {
  query?: unknown;
  /** The hash of an operation on the allowlist. */
  documentId?: unknown;
  variables?: unknown;
  operationName?: unknown;
  extensions?: unknown;
};

/**
 * Checks a request before its query is parsed, and returns the request to execute.
 * @throws AppError QUERY_TOO_COMPLEX, OPERATION_NOT_ALLOWED
 */
export type RequestFilter = (request: GraphQLRequestBody) => GraphQLRequestBody;

/** A request that the filter accepted, and what is known about its query from an earlier request. */
type FilteredRequest = {
  readonly request: GraphQLRequestBody;
  readonly knownQuery: KnownQuery | undefined;
};

/** Creates the function that filters requests, except those with a known query: it was filtered before. */
export function filterOnce(
  filter: RequestFilter,
  queries: KnownQueries,
): (request: GraphQLRequestBody) => FilteredRequest {
  return (request) => {
    const { query, documentId, extensions } = request;
    const isText = typeof query === 'string' && documentId == null && !hasPersistedQuery(extensions);
    const knownQuery = isText ? queries.get(query) : undefined;
    return { request: knownQuery ? request : filter(request), knownQuery };
  };
}

/** The GraphQL request of a body, and whether the server wrote its query. */
type ParsedOperation = FilteredRequest & { readonly isDefaultQuery: boolean };

/** Converts the body of `POST /<root field>` to a GraphQL request. @throws AppError BAD_USER_INPUT */
type ParseOperationBody = (body: unknown) => ParsedOperation;

const requestKeys = ['query', 'documentId', 'variables', 'operationName', 'extensions'];

/**
 * Creates the parser of the body of `POST /<root field>` for each root field of the schema. The body contains a GraphQL
 * request with this root field only; or, without a `query`, its variables; or the arguments themselves.
 */
export function createOperationBodyParsers(
  schema: GraphQLSchema,
  filter: (request: GraphQLRequestBody) => FilteredRequest,
): Map<string, ParseOperationBody> {
  const roots = [
    { kind: 'query', type: schema.getQueryType() },
    { kind: 'mutation', type: schema.getMutationType() },
  ];
  return new Map(
    roots.flatMap(({ kind, type }) =>
      Object.values(type?.getFields() ?? {}).map(
        (field) => [field.name, createBodyParser(kind, field, filter)] as const,
      ),
    ),
  );
}

function createBodyParser(
  kind: string,
  field: GraphQLField<unknown, unknown>,
  filter: (request: GraphQLRequestBody) => FilteredRequest,
): ParseOperationBody {
  const defaultQuery = writeDefaultQuery(kind, field);
  const argumentNames = new Set(field.args.map(({ name }) => name));

  return (body) => {
    const input = body ?? {};
    if (!isObject(input)) throw badInput('body', 'The body must be a JSON object');

    const isRequest = Object.keys(input).some((key) => requestKeys.includes(key));

    const request: GraphQLRequestBody = isRequest ? input : { variables: input };
    if (namesOperation(request)) {
      const filtered = filter(withoutEmptyName(request));
      if (filtered.knownQuery?.rootField !== field.name)
        requireOnlyRootField(filtered.request.query, field.name);
      return { ...filtered, isDefaultQuery: false };
    }
    const stray = isRequest && Object.keys(input).find((key) => !requestKeys.includes(key));
    if (stray)
      throw badInput(
        stray,
        `Move ${quoteValue(stray)} into "variables", or omit "variables": otherwise it would be ignored`,
      );
    if (!isObject(request.variables ?? {})) throw badInput('variables', 'variables must be a JSON object');
    const unknown = Object.keys(request.variables ?? {}).find((name) => !argumentNames.has(name));
    if (unknown !== undefined) {
      throw badInput(
        unknown,
        `${field.name} has no argument ${quoteValue(unknown)}; it has ${[...argumentNames].join(', ') || 'none'}`,
      );
    }
    const { variables } = request;
    return { ...filter({ variables, query: defaultQuery }), isDefaultQuery: true };
  };
}

/** Replaces an empty operation name, which some clients send, by null. */
export function withoutEmptyName(request: GraphQLRequestBody): GraphQLRequestBody {
  return request.operationName === '' ? { ...request, operationName: null } : request;
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function namesOperation({ query, documentId, extensions }: GraphQLRequestBody): boolean {
  return query != null || documentId != null || hasPersistedQuery(extensions);
}

/** Returns whether the extensions of a request have the hash of a query, as Apollo's clients send it. */
export function hasPersistedQuery(extensions: unknown): boolean {
  return isObject(extensions) && 'persistedQuery' in extensions;
}

/** Accepts a query that is not a GraphQL document: Apollo rejects it later. @throws AppError BAD_USER_INPUT */
function requireOnlyRootField(query: unknown, fieldName: string): void {
  // No text: not limited by the filter either.
  if (typeof query !== 'string') return;
  let document;
  try {
    document = parse(query);
  } catch {
    return;
  }
  const operations = document.definitions.filter(
    (definition) => definition.kind === Kind.OPERATION_DEFINITION,
  );
  const selections = operations.flatMap((operation) => operation.selectionSet.selections);
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

/**
 * Writes an operation that passes all arguments and selects the scalars of the result, lists of scalars, and those of
 * its objects, one level deep.
 */
function writeDefaultQuery(kind: string, field: GraphQLField<unknown, unknown>): string {
  const variables = field.args
    .map(({ name, type }) => `$${name}: ${String(getNullableType(type))}`)
    .join(', ');
  const args = field.args.map(({ name }) => `${name}: $${name}`).join(', ');
  const type = getNamedType(field.type);
  const selection = isObjectType(type) ? `{ ${writeSelection(type, field.extensions['scope'])} }` : '';
  return `${kind} ${field.name}${inParentheses(variables)} { ${field.name}${inParentheses(args)} ${selection} }`;
}

function inParentheses(text: string): string {
  return text ? `(${text})` : '';
}

/** The selected fields of a connection: `edges` has the same nodes again, and `totalCount` counts the whole list. */
const connectionParts = ['nodes', 'pageInfo'];

/** A field that costs a further query: a client that needs it selects it. */
const omittedField = 'Group.radiusAttributes';

/**
 * Selects the leaves of a type and, `levels` deep, those of its objects; the nodes of a connection are the result's own
 * level. Omits fields that need an argument, or another scope than the operation's, and `omittedField`.
 */
function writeSelection(type: GraphQLObjectType, scope: unknown, levels = 1): string {
  const isConnection = type.name.endsWith('Connection');
  return Object.values(type.getFields())
    .flatMap((field) => {
      if (!isSelectable(field, scope) || (isConnection && !connectionParts.includes(field.name))) return [];
      const fieldType = getNamedType(field.type);
      if (isLeafType(fieldType)) return field.name;
      if (!isObjectType(fieldType) || levels === 0) return [];
      if (`${type.name}.${field.name}` === omittedField) return [];
      const selection = writeSelection(fieldType, scope, isConnection ? levels : levels - 1);
      return selection === '' ? [] : `${field.name} { ${selection} }`;
    })
    .join(' ');
}

function isSelectable({ args, extensions }: GraphQLField<unknown, unknown>, scope: unknown): boolean {
  const required = extensions['scope'];
  return (required === undefined || required === scope) && !args.some(isRequiredArgument);
}
