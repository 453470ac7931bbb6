import {
  execute,
  getOperationAST,
  GraphQLError,
  parse,
  validate,
  type DocumentNode,
  type ExecutionResult,
  type GraphQLResolveInfo,
  type GraphQLSchema,
} from 'graphql';
import { badInput } from '../errors.ts';
import type { Operation } from '../graphql/limits/operation-cost.ts';
import { rootFieldsOf } from '../graphql/operation-root-fields.ts';
import type { SubscriptionRequest } from '../graphql/request/subscription-request.ts';
import { requireScopes } from '../graphql/root-fields.ts';
import { parseEventFilter, type EventFilter } from './event-filter.ts';
import type { Event } from './event.ts';

/** A validated subscription: which events it asks for, and how a result is written. */
export type SubscriptionQuery = {
  readonly rootFields: readonly string[];
  readonly filter: EventFilter;
  /** The id of the event to continue after. */
  readonly after: string | undefined;
  /** Writes the result of an event as the text of JSON. */
  readonly writeResult: (event: Event) => string;
};

type Arguments = Parameters<typeof parseEventFilter>[0] & { readonly after?: string | null };

/**
 * Parses a subscription, validates it against the schema, and checks its limits and scopes. Its fields are those of
 * `Event`, which has no others below: the selection is the same for each event, and is evaluated once instead of for
 * each event and each listener.
 * @throws GraphQLError, or an array of them; AppError
 */
export function readSubscription(
  { query, operationName, variables }: SubscriptionRequest,
  {
    schema,
    scopes,
    hideSuggestions,
    requireWithinLimits,
  }: {
    readonly schema: GraphQLSchema;
    readonly scopes: ReadonlySet<string>;
    readonly hideSuggestions: boolean;
    readonly requireWithinLimits: (operation: Operation) => void;
  },
): SubscriptionQuery {
  const document = parseDocument(query);
  const problems = validate(schema, document, undefined, { hideSuggestions });
  if (problems.length > 0) throw problems.map((problem) => withCode(problem, 'GRAPHQL_VALIDATION_FAILED'));
  const operation = getOperationAST(document, operationName)!;
  requireWithinLimits({ document, operation, variables: variables ?? {} });

  let args: Arguments | undefined;
  let rootName = '';
  const fieldOf = new Map<string, keyof Event>();
  const fieldResolver = (
    _source: unknown,
    values: Arguments,
    _context: unknown,
    info: GraphQLResolveInfo,
  ) => {
    if (info.parentType === schema.getSubscriptionType()) {
      requireScopes(info, scopes);
      args = values;
      rootName = String(info.path.key);
      return {};
    }
    fieldOf.set(String(info.path.key), info.fieldName as keyof Event);
    return placeholders[info.fieldName as keyof typeof placeholders];
  };
  // Without promises, the result is no promise either.
  const { errors, data } = execute({
    schema,
    document,
    operationName: operationName ?? null,
    variableValues: variables ?? {},
    fieldResolver,
  }) as ExecutionResult;
  // graphql-js reports variables with wrong values without data.
  if (errors) throw data === undefined ? errors.map((error) => withCode(error, 'BAD_USER_INPUT')) : errors;
  if (args === undefined) throw badInput('query', 'The subscription selects nothing');

  const parts = Object.entries(data![rootName] as object).map(([name, constant]) => {
    const field = fieldOf.get(name);
    const prefix = `${JSON.stringify(name)}:`;
    if (field === undefined) return () => prefix + JSON.stringify(constant);
    if (field === 'data') return (event: Event) => prefix + writeData(event);
    return (event: Event) => prefix + JSON.stringify(event[field]);
  });
  const start = `{"data":{${JSON.stringify(rootName)}:{`;
  return {
    rootFields: rootFieldsOf(operation, document),
    filter: parseEventFilter(args, scopes),
    after: args.after ?? undefined,
    writeResult: (event) => `${start}${parts.map((write) => write(event)).join(',')}}}}`,
  };
}

/** Values of the fields that their types accept. */
const placeholders = { id: '', type: '', timestamp: '1970-01-01T00:00:00.000Z', data: {} };

/** The text of `data` of an event, which all listeners share. */
const texts = new WeakMap<Event, string>();

function writeData(event: Event): string {
  let text = texts.get(event);
  if (text === undefined) texts.set(event, (text = JSON.stringify(event.data)));
  return text;
}

function parseDocument(query: string): DocumentNode {
  try {
    return parse(query);
  } catch (error) {
    throw withCode(error as GraphQLError, 'GRAPHQL_PARSE_FAILED');
  }
}

function withCode(error: GraphQLError, code: string): GraphQLError {
  const { message, nodes = null, source = null, positions = null } = error;
  return new GraphQLError(message, { nodes, source, positions, extensions: { code } });
}
