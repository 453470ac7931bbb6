import { Lexer, Source, TokenKind, visit, type DocumentNode, type GraphQLSchema } from 'graphql';
import { AppError } from '../../errors.ts';
import type { RequestFilter } from '../request/operation-body.ts';
import { createCostCalculator, type Operation } from './operation-cost.ts';

/** How much an operation may ask for. */
export type OperationLimits = {
  readonly tokens: number;
  readonly depth: number;
  readonly aliases: number;
  readonly rootFields: number;
  readonly directives: number;
  /** How many values the answer may hold. */
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
 * Creates the check that counts the tokens of a query, before anything else looks at it: what a parser and a validator do with one takes
 * longer than to read it. Refuses with AppError QUERY_TOO_COMPLEX.
 */
export function createTokenCheck(maximum: number): RequestFilter {
  return (request) => {
    const { query } = request;
    // Each token has a character at least.
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
    // Where it stops being GraphQL the parser stops too, and says so.
  }
  return count;
}

/**
 * Creates the check that refuses operations beyond the limits, with AppError QUERY_TOO_COMPLEX.
 * @throws StartError where the schema has a list without a size.
 */
export function createLimitCheck(
  schema: GraphQLSchema,
  limits: OperationLimits,
): (operation: Operation) => void {
  const measure = createCostCalculator(schema, limits.cost);
  return (operation) => {
    const { aliases, directives } = countAliasesAndDirectives(operation.document);
    requireWithin('aliases', aliases, limits.aliases);
    requireWithin('directives', directives, limits.directives);

    const { rootFields, depth, cost } = measure(operation);
    requireWithin('rootFields', rootFields, limits.rootFields);
    requireWithin('depth', depth, limits.depth);
    requireWithin('cost', cost, limits.cost);
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

/** Apollo keeps the documents that it has parsed, and so do we. */
const countsByDocument = new WeakMap<DocumentNode, { aliases: number; directives: number }>();

/** Aliases and directives, as they stand in the text. */
function countAliasesAndDirectives(document: DocumentNode): { aliases: number; directives: number } {
  const known = countsByDocument.get(document);
  if (known) return known;
  const marks = { aliases: 0, directives: 0 };
  visit(document, {
    Field: ({ alias }) => {
      if (alias) marks.aliases++;
    },
    Directive: () => {
      marks.directives++;
    },
  });
  countsByDocument.set(document, marks);
  return marks;
}
