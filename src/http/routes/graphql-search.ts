import { type GraphQLRequestBody, type RequestFilter } from '../../graphql/request/operation-body.ts';
import { requireUniqueKeys } from '../hooks/json-body.ts';

/**
 * Parses the query string of a `GET /graphql`, and replaces the hash of an allowlisted operation by its text.
 * @returns the query string that Apollo reads, and the same request as an object
 * @throws AppError BAD_USER_INPUT, and the errors of the filter
 */
export function parseSearch(
  url: string,
  filter: RequestFilter,
): { search: string; request: GraphQLRequestBody } {
  const { searchParams } = new URL(url, 'http://localhost');
  if (searchParams.get('operationName') === '') searchParams.delete('operationName');
  for (const name of ['variables', 'extensions']) requireUniqueJsonKeys(searchParams.get(name));
  const parsed = parseSearchParams(searchParams);
  const filtered = filter(parsed);
  if (filtered.query !== parsed.query) {
    for (const name of ['documentId', 'extensions']) searchParams.delete(name);
    searchParams.set('query', String(filtered.query));
  }
  return { search: `?${searchParams.toString()}`, request: filtered };
}

/** Returns the request in the parameters of a query string. */
export function parseSearchParams(searchParams: URLSearchParams): GraphQLRequestBody {
  const { variables, extensions, ...rest } = Object.fromEntries(searchParams) as GraphQLRequestBody;
  return { ...rest, variables: parseJson(variables), extensions: parseJson(extensions) };
}

/** @throws AppError BAD_USER_INPUT */
function requireUniqueJsonKeys(text: string | null): void {
  const value = parseJson(text);
  if (text !== null && value !== undefined) requireUniqueKeys(text, value);
}

/** Returns undefined for invalid JSON, which Apollo rejects. */
function parseJson(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}
