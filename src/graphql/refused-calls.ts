import {
  getOperationAST,
  Kind,
  Lexer,
  OperationTypeNode,
  parse,
  Source,
  TokenKind,
  valueFromASTUntyped,
  type DocumentNode,
  type FieldNode,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import type { AppError } from '../errors.ts';
import type { Context } from './context.ts';
import type { OperationLimits } from './limits/operation-limits.ts';
import { isObject, type GraphQLRequestBody } from './request/operation-body.ts';
import { createMutationCall } from './recorded.ts';
import { collectFields, fragmentsOf } from './limits/selections.ts';

/** A request for mutations, and the error for which some or all of them were not executed. */
export type RejectedRequest = {
  /** The request, as far as it was read. */
  readonly request: unknown;
  /** The root field that the path names; undefined at `/graphql`. */
  readonly pathField: string | undefined;
  /** The error of a root field, by its name in the response; undefined if that field was executed or left out. */
  readonly errorOf: (responseName: string) => Pick<AppError, 'code'> | undefined;
};

/** Writes the audit entries of the mutations in a request that was rejected before their resolvers ran: one a root field. */
export type AuditRejectedCalls = (refused: RejectedRequest, context: Context) => Promise<void>;

type RejectedCall = { readonly fieldName: string; readonly responseName: string; readonly args: object };

/**
 * Creates the function that records what no resolver can: mutations that validation, the coercion of arguments, a limit, a list
 * of allowed operations or HTTP rejects. The work is bounded: at most as many entries as root fields are allowed, and no
 * more of a text is parsed than the tokens that are allowed.
 */
export function createRejectedCallAuditor(
  schema: GraphQLSchema,
  limits: Pick<OperationLimits, 'tokens' | 'rootFields'>,
): AuditRejectedCalls {
  const mutations = schema.getMutationType()?.getFields() ?? {};

  return async ({ request, pathField, errorOf }, context) => {
    // A rejected call uses no key, and arguments that nothing has coerced may be too deep for a fingerprint.
    const withoutKey = { ...context, idempotencyKey: undefined };
    const calls = readCalls(request, pathField).slice(0, limits.rootFields);
    for (const { fieldName, responseName, args } of calls) {
      const error = errorOf(responseName);
      if (error === undefined || context.outcome.reachedFields.has(responseName)) continue;
      const place = { fieldName, path: { prev: undefined, key: responseName, typename: 'Mutation' } };
      await context.mutations.auditRejection(createMutationCall(args, withoutKey, place), error);
    }
  };

  function readCalls(request: unknown, pathField: string | undefined): RejectedCall[] {
    const body: GraphQLRequestBody = isObject(request) ? request : {};
    const fromText = typeof body.query === 'string' ? readText(body.query, body) : [];
    const isMutationPath = pathField !== undefined && Object.hasOwn(mutations, pathField);
    if (fromText.length > 0 || !isMutationPath) return fromText;
    const args = isObject(body.variables) ? body.variables : body;
    return [{ fieldName: pathField, responseName: pathField, args }];
  }

  function readText(query: string, { operationName, variables }: GraphQLRequestBody): RejectedCall[] {
    const document = parseWithin(query, limits.tokens);
    const operation = document && findOperation(document, operationName);
    if (operation?.operation !== OperationTypeNode.MUTATION) return [];
    const values = { ...readDefaults(operation), ...(isObject(variables) ? variables : {}) };
    const fields = collectFields([operation.selectionSet], fragmentsOf(document!));
    return [...fields].flatMap(([responseName, [node]]) =>
      Object.hasOwn(mutations, node!.name.value) && !isLeftOut(node!, values)
        ? [{ fieldName: node!.name.value, responseName, args: readArguments(node!, values) }]
        : [],
    );
  }
}

/** The operation that is meant; of a single one the name does not matter. */
function findOperation(document: DocumentNode, name: unknown): OperationDefinitionNode | undefined {
  const named = getOperationAST(document, typeof name === 'string' && name !== '' ? name : null);
  const operations = document.definitions.filter((each) => each.kind === Kind.OPERATION_DEFINITION);
  return named ?? (operations.length === 1 ? operations[0] : undefined);
}

function readDefaults({ variableDefinitions = [] }: OperationDefinitionNode): Record<string, unknown> {
  return Object.fromEntries(
    variableDefinitions.flatMap(({ variable, defaultValue }) =>
      defaultValue ? [[variable.name.value, valueFromASTUntyped(defaultValue)]] : [],
    ),
  );
}

function readArguments(node: FieldNode, values: Record<string, unknown>): object {
  return Object.fromEntries(
    (node.arguments ?? []).map(({ name, value }) => [name.value, valueFromASTUntyped(value, values)]),
  );
}

/** Whether `@skip` or `@include` leaves a field out, so that it is no call. */
function isLeftOut(node: FieldNode, values: Record<string, unknown>): boolean {
  return (node.directives ?? []).some(({ name, arguments: given = [] }) => {
    const condition = given.find((each) => each.name.value === 'if')?.value;
    const value = condition && valueFromASTUntyped(condition, values);
    return (name.value === 'skip' && value === true) || (name.value === 'include' && value === false);
  });
}

/**
 * Parses a text, or of one that has more tokens its beginning, with the brackets closed that are open where it ends. What
 * is no GraphQL has no document.
 */
function parseWithin(query: string, maxTokens: number): DocumentNode | undefined {
  try {
    return parse(query, { maxTokens, noLocation: true });
  } catch {
    return parseBeginning(query, maxTokens);
  }
}

/** How many tokens at the end of a beginning are given up, one by one, such as a name without its value. */
const maxCuts = 8;
const closingBrackets: Readonly<Partial<Record<TokenKind, string>>> = {
  [TokenKind.BRACE_L]: '}',
  [TokenKind.PAREN_L]: ')',
  [TokenKind.BRACKET_L]: ']',
};

function parseBeginning(query: string, maxTokens: number): DocumentNode | undefined {
  /** Where each of the tokens ends, and what would close the brackets that are open there. */
  const cuts: { readonly end: number; readonly closing: string }[] = [];
  const lexer = new Lexer(new Source(query));
  let closing = '';
  try {
    for (let count = 0; count < maxTokens; count++) {
      const { kind, end } = lexer.advance();
      // A text that ends within the limit is no GraphQL, not too long.
      if (kind === TokenKind.EOF) return undefined;
      const opened = closingBrackets[kind];
      if (opened !== undefined) closing = opened + closing;
      else if (closing !== '' && Object.values(closingBrackets).includes(kind)) closing = closing.slice(1);
      cuts.push({ end, closing });
      if (cuts.length > maxCuts) cuts.shift();
    }
  } catch {
    return undefined;
  }
  for (const cut of cuts.toReversed()) {
    try {
      return parse(query.slice(0, cut.end) + cut.closing, { noLocation: true });
    } catch {
      // Cut one token earlier.
    }
  }
  return undefined;
}
