import {
  Lexer,
  Source,
  TokenKind,
  visit,
  type DocumentNode,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { AppError } from '../../errors.ts';
import type { RequestFilter } from '../request/operation-body.ts';
import { createCostCalculator, type Operation } from './operation-cost.ts';

/** The maximum size of an operation. */
export type OperationLimits = {
  readonly tokens: number;
  readonly depth: number;
  readonly aliases: number;
  readonly rootFields: number;
  readonly directives: number;
  /** The maximum number of values in the response. */
  readonly cost: number;
};

const names: Readonly<Record<keyof OperationLimits, string>> = {
  tokens: 'tokens',
  depth: 'levels of nesting',
  aliases: 'aliases',
  rootFields: 'root fields',
  directives: 'directives',
  cost: 'values',
};
const splitUp = 'Split it into several requests';
const advice: Readonly<Record<keyof OperationLimits, string>> = {
  tokens: splitUp,
  depth: 'Fetch nested data in a separate request',
  aliases: splitUp,
  rootFields: splitUp,
  directives: splitUp,
  cost: 'Request smaller pages with "first", or fewer fields',
};

/**
 * Creates the filter that counts the tokens of a query before it is parsed: parsing and validation take longer than
 * lexing. It throws AppError QUERY_TOO_COMPLEX.
 */
export function createTokenCheck(maximum: number): RequestFilter {
  return (request) => {
    const { query } = request;
    // Each token has at least one character.
    if (typeof query === 'string' && query.length > maximum) {
      requireWithin('tokens', countTokens(query), maximum);
    }
    return request;
  };
}

function countTokens(query: string): number {
  const lexer = new Lexer(new Source(query));
  let count = 0;
  try {
    while (lexer.advance().kind !== TokenKind.EOF) count++;
  } catch {
    // The parser stops at the same syntax error and reports it.
  }
  return count;
}

/**
 * Creates the check that rejects operations above the limits with AppError QUERY_TOO_COMPLEX.
 * @throws OperatorError if the schema has a list without a size
 */
export function createLimitCheck(
  schema: GraphQLSchema,
  limits: OperationLimits,
): (operation: Operation) => void {
  const measure = createCostCalculator(schema, limits.cost);
  // Apollo caches parsed documents, so most requests hit this cache.
  const accepted = new WeakSet<OperationDefinitionNode>();
  return (operation) => {
    if (accepted.has(operation.operation)) return;
    const { aliases, directives } = countAliasesAndDirectives(operation.document);
    requireWithin('aliases', aliases, limits.aliases);
    requireWithin('directives', directives, limits.directives);

    const { rootFields, depth, cost, isFixed } = measure(operation);
    requireWithin('rootFields', rootFields, limits.rootFields);
    requireWithin('depth', depth, limits.depth);
    requireWithin('cost', cost, limits.cost);
    if (isFixed) accepted.add(operation.operation);
  };
}

function requireWithin(limit: keyof OperationLimits, value: number, maximum: number): void {
  if (value <= maximum) return;
  throw new AppError(
    'QUERY_TOO_COMPLEX',
    `The query ${limit === 'cost' ? 'may return' : 'has'} ${value} ${names[limit]}; ${maximum} are allowed. ${advice[limit]}`,
    { limit, maximum, value },
  );
}

/** Counts aliases and directives in the text of a document. */
function countAliasesAndDirectives(document: DocumentNode): { aliases: number; directives: number } {
  const counts = { aliases: 0, directives: 0 };
  visit(document, {
    Field: ({ alias }) => {
      if (alias) counts.aliases++;
    },
    Directive: () => {
      counts.directives++;
    },
  });
  return counts;
}
