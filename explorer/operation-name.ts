import { parse, Kind } from 'graphql';

/**
 * The operation of a query that is meant. For a moment after another tab was opened GraphiQL still names the operation of the
 * one before: where the query has a single one, that is it.
 */
export function chooseOperationName(
  query: string,
  given: string | null | undefined,
): string | null | undefined {
  let names: (string | undefined)[];
  try {
    names = parse(query).definitions.flatMap((each) =>
      each.kind === Kind.OPERATION_DEFINITION ? [each.name?.value] : [],
    );
  } catch {
    return given;
  }
  return names.length === 1 ? names[0] : given;
}
