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
import { maxQueryCharacters, type OperationLimits } from './limits/operation-limits.ts';
import { isObject, type GraphQLRequestBody } from './request/operation-body.ts';
import { createMutationCall } from './root-fields.ts';
import { collectFields, fragmentsOf } from './limits/selections.ts';

/** A request that contains mutations, and the errors because of which they were not executed. */
type RejectedRequest = {
  /** The request, as far as it was parsed. */
  readonly request: unknown;
  /** The root field named by the URL path; undefined for `/graphql`. */
  readonly pathField: string | undefined;
  /** Returns the error of a root field by its response name; undefined if the field was executed or skipped. */
  readonly errorOf: (responseName: string) => Pick<AppError, 'code'> | undefined;
};

/** Writes the audit events of mutations that were rejected before their resolvers ran: one per root field. */
type AuditRejectedCalls = (rejected: RejectedRequest, context: Context) => Promise<void>;

/** How many target ids the entries of one rejected request have in all. */
const maxTargetIds = 1000;

type RejectedCall = { readonly fieldName: string; readonly responseName: string; readonly args: object };

/**
 * Creates the function that audits mutations that no resolver sees: those rejected by validation, argument coercion, a
 * limit, the allowlist or HTTP. The work is bounded: at most MAX_QUERY_ROOT_FIELDS events are written, and at most the
 * allowed number of tokens is parsed.
 */
export function createRejectedCallAuditor(
  schema: GraphQLSchema,
  limits: Pick<OperationLimits, 'tokens' | 'rootFields'>,
): AuditRejectedCalls {
  const mutations = schema.getMutationType()?.getFields() ?? {};

  return async ({ request, pathField, errorOf }, context) => {
    // A rejected call does not use its key, and arguments that were not coerced may be nested too deeply for a
    // fingerprint.
    const { caller, markReplayed, summary } = context;
    const withoutKey = { caller, markReplayed, summary, idempotencyKey: undefined };
    const calls = parseCalls(request, pathField).slice(0, limits.rootFields);
    // One after the other, so that the entries are in the order of the calls.
    for (const { fieldName, responseName, args } of calls) {
      const error = errorOf(responseName);
      if (error === undefined || context.reachedFields.has(responseName)) continue;
      const info = { fieldName, path: { prev: undefined, key: responseName, typename: 'Mutation' } };
      const call = createMutationCall(args, withoutKey, info);
      const targetIds = call.targetIds.slice(0, Math.floor(maxTargetIds / calls.length));
      await context.mutations.auditRejection({ ...call, targetIds }, error);
    }
  };

  function parseCalls(request: unknown, pathField: string | undefined): RejectedCall[] {
    const body: GraphQLRequestBody = isObject(request) ? request : {};
    const fromText = typeof body.query === 'string' ? parseQuery(body.query, body) : [];
    const isMutationPath = pathField !== undefined && Object.hasOwn(mutations, pathField);
    if (fromText.length > 0 || !isMutationPath) return fromText;
    const args = isObject(body.variables) ? body.variables : body;
    return [{ fieldName: pathField, responseName: pathField, args }];
  }

  function parseQuery(query: string, { operationName, variables }: GraphQLRequestBody): RejectedCall[] {
    const document = parsePrefix(query, limits.tokens);
    const operation = document && findOperation(document, operationName);
    if (operation?.operation !== OperationTypeNode.MUTATION) return [];
    const values = { ...defaultValuesOf(operation), ...(isObject(variables) ? variables : {}) };
    const fields = collectFields([operation.selectionSet], fragmentsOf(document!));
    return [...fields].flatMap(([responseName, [node]]) =>
      Object.hasOwn(mutations, node!.name.value) && !isSkipped(node!, values)
        ? [{ fieldName: node!.name.value, responseName, args: argumentsOf(node!, values) }]
        : [],
    );
  }
}

/** Returns the operation with this name; the name of the only operation is ignored. */
function findOperation(document: DocumentNode, name: unknown): OperationDefinitionNode | undefined {
  const named = getOperationAST(document, typeof name === 'string' && name !== '' ? name : null);
  const operations = document.definitions.filter(
    (definition) => definition.kind === Kind.OPERATION_DEFINITION,
  );
  return named ?? (operations.length === 1 ? operations[0] : undefined);
}

function defaultValuesOf({ variableDefinitions = [] }: OperationDefinitionNode): Record<string, unknown> {
  return Object.fromEntries(
    variableDefinitions.flatMap(({ variable, defaultValue }) =>
      defaultValue ? [[variable.name.value, valueFromASTUntyped(defaultValue)]] : [],
    ),
  );
}

function argumentsOf(node: FieldNode, values: Record<string, unknown>): object {
  return Object.fromEntries(
    (node.arguments ?? []).map(({ name, value }) => [name.value, valueFromASTUntyped(value, values)]),
  );
}

/** Returns whether `@skip` or `@include` excludes a field, so that it is not a call. */
function isSkipped(node: FieldNode, values: Record<string, unknown>): boolean {
  return (node.directives ?? []).some(({ name, arguments: args = [] }) => {
    const condition = args.find((argument) => argument.name.value === 'if')?.value;
    const value = condition && valueFromASTUntyped(condition, values);
    return (name.value === 'skip' && value === true) || (name.value === 'include' && value === false);
  });
}

/**
 * Parses a query. If it has more tokens or characters than allowed, parses its beginning and closes the open brackets.
 * Returns undefined if the text is not GraphQL.
 */
function parsePrefix(query: string, maxTokens: number): DocumentNode | undefined {
  const text = query.slice(0, maxQueryCharacters);
  try {
    return parse(text, { maxTokens, noLocation: true });
  } catch {
    return parseBeginning(text, maxTokens, text.length < query.length);
  }
}

/** How many tokens may be dropped from the end of a prefix, such as an argument name without its value. */
const maxCuts = 8;
const closingBrackets: Readonly<Partial<Record<TokenKind, string>>> = {
  [TokenKind.BRACE_L]: '}',
  [TokenKind.PAREN_L]: ')',
  [TokenKind.BRACKET_L]: ']',
};

function parseBeginning(query: string, maxTokens: number, isTruncated: boolean): DocumentNode | undefined {
  /** The end of each of the last tokens, and the brackets that close those that are open there. */
  const cuts: { readonly end: number; readonly closing: string }[] = [];
  const lexer = new Lexer(new Source(query));
  let closing = '';
  try {
    for (let count = 0; count < maxTokens; count++) {
      const { kind, end } = lexer.advance();
      if (kind === TokenKind.EOF) {
        // A text within the limits was parsed completely, so it is not GraphQL.
        if (!isTruncated) return undefined;
        break;
      }
      const opened = closingBrackets[kind];
      if (opened !== undefined) closing = opened + closing;
      else if (closing !== '' && Object.values(closingBrackets).includes(kind)) closing = closing.slice(1);
      cuts.push({ end, closing });
      if (cuts.length > maxCuts) cuts.shift();
    }
  } catch {
    // The last token of a truncated text is usually incomplete.
    if (!isTruncated) return undefined;
  }
  for (const cut of cuts.toReversed()) {
    try {
      return parse(query.slice(0, cut.end) + cut.closing, { noLocation: true });
    } catch {
      // Drop one more token.
    }
  }
  return undefined;
}
