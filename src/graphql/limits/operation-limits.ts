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

/** The limits of the text of a query, which follow from the tokens, and are no settings. */
type TextLimit = 'characters' | 'lines';

const names: Readonly<Record<keyof OperationLimits | TextLimit, string>> = {
  characters: 'characters',
  lines: 'lines',
  tokens: 'tokens',
  depth: 'levels of nesting',
  aliases: 'aliases',
  rootFields: 'root fields',
  directives: 'directives',
  cost: 'values',
};
const splitUp = 'Split it into several requests';
const advice: Readonly<Record<keyof OperationLimits | TextLimit, string>> = {
  characters: 'Send long values as variables',
  lines: 'Remove empty lines and comments',
  tokens: splitUp,
  depth: 'Fetch nested data in a separate request',
  aliases: splitUp,
  rootFields: splitUp,
  directives: splitUp,
  cost: 'Request smaller pages with "first", or fewer fields',
};

/** The maximum length of a query: the lexer passes all of it before any other limit counts. */
export const maxQueryCharacters = 64 * 1024;
/**
 * The maximum number of lines for each token that is allowed: graphql-js counts the lines before each position of each
 * error, which blocked all other requests for seconds.
 */
const linesPerToken = 2;

/**
 * Creates the filter that checks the length, the lines and the tokens of a query before it is parsed: parsing and
 * validation take longer than lexing. It throws AppError QUERY_TOO_COMPLEX.
 */
export function createTextCheck(maxTokens: number): RequestFilter {
  const maxLines = maxTokens * linesPerToken;
  return (request) => {
    const { query } = request;
    // Each token and each line has at least one character.
    if (typeof query === 'string' && query.length > maxTokens) {
      requireWithin('characters', query.length, maxQueryCharacters);
      requireWithin('lines', countLines(query), maxLines);
      requireWithin('tokens', countTokens(query), maxTokens);
    }
    return request;
  };
}

function countLines(query: string): number {
  return query.split(/\r\n|[\n\r]/).length;
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
 * Creates the check that rejects operations above the limits with AppError QUERY_TOO_COMPLEX. It returns the cost of an
 * operation that is within the limits with any variables, and undefined for other operations.
 * @throws OperatorError if the schema has a list without a size
 */
export function createLimitCheck(
  schema: GraphQLSchema,
  limits: OperationLimits,
): (operation: Operation) => number | undefined {
  const measure = createCostCalculator(schema, limits.cost);
  // Apollo caches parsed documents, so most requests hit this cache.
  const fixedCosts = new WeakMap<OperationDefinitionNode, number>();
  return (operation) => {
    const fixedCost = fixedCosts.get(operation.operation);
    if (fixedCost !== undefined) return fixedCost;
    const { aliases, directives } = countAliasesAndDirectives(operation.document);
    requireWithin('aliases', aliases, limits.aliases);
    requireWithin('directives', directives, limits.directives);

    const { rootFields, depth, cost, isFixed } = measure(operation);
    requireWithin('rootFields', rootFields, limits.rootFields);
    requireWithin('depth', depth, limits.depth);
    requireWithin('cost', cost, limits.cost);
    if (!isFixed) return undefined;
    fixedCosts.set(operation.operation, cost);
    return cost;
  };
}

function requireWithin(limit: keyof OperationLimits | TextLimit, value: number, maximum: number): void {
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
