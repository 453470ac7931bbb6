import { Lexer, Source, TokenKind, visit, type DocumentNode, type GraphQLSchema } from 'graphql';
import { AppError } from '../errors.ts';
import type { PrepareRequest } from './operation-request.ts';
import { createOperationMeter, type Operation } from './operation-size.ts';

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
  depth: 'levels of fields within each other',
  aliases: 'aliases',
  rootFields: 'root fields',
  directives: 'directives',
  cost: 'values that it may answer',
};

/**
 * Makes what counts the tokens of a query, before anything else looks at it: what a parser and a validator do with one takes
 * longer than to read it. Refuses with AppError QUERY_TOO_COMPLEX.
 */
export function createTokenCheck(maximum: number): PrepareRequest {
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
 * Makes what refuses operations beyond the limits, with AppError QUERY_TOO_COMPLEX.
 * @throws StartError where the schema has a list without a size.
 */
export function createLimitCheck(
  schema: GraphQLSchema,
  limits: OperationLimits,
): (operation: Operation) => void {
  const measure = createOperationMeter(schema, limits.cost);
  return (operation) => {
    const { aliases, directives } = countMarks(operation.document);
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
    `The query has ${value} ${names[limit]}; ${maximum} are allowed. Ask for less, or in several requests`,
    { limit, maximum, value },
  );
}

/** Aliases and directives, as they stand in the text. */
function countMarks(document: DocumentNode): { aliases: number; directives: number } {
  let marks = marksByDocument.get(document);
  if (marks) return marks;
  marks = { aliases: 0, directives: 0 };
  const counted = marks;
  visit(document, {
    Field: ({ alias }) => {
      if (alias) counted.aliases++;
    },
    Directive: () => {
      counted.directives++;
    },
  });
  marksByDocument.set(document, marks);
  return marks;
}
/** Apollo keeps the documents that it has parsed. */
const marksByDocument = new WeakMap<DocumentNode, { aliases: number; directives: number }>();
