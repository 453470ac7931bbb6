import { getIntrospectionQuery } from 'graphql';

/** Writes parts of a query, separated by spaces. */
export const repeat = (count: number, write: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => write(index)).join(' ');

/** The query that GraphiQL, Apollo Sandbox and code generators send, with everything that they may ask for. */
export const introspectionQuery = getIntrospectionQuery({
  inputValueDeprecation: true,
  specifiedByUrl: true,
  directiveIsRepeatable: true,
  schemaDescription: true,
  oneOf: true,
});
