import {
  getNamedType,
  isObjectType,
  type FieldNode,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
} from 'graphql';
import { hasScope, type Scope } from '../accounts/scopes.ts';
import { AppError } from '../errors.ts';
import { explainMissingGroups } from '../group-deletion/missing-groups.ts';
import { fingerprintOf, requireIdempotencyKey } from '../mutations/idempotency.ts';
import { noDetails, type MutationCall, type SelectedDetails } from '../mutations/mutation-call.ts';
import { normalizeText } from '../validation/input-parsers.ts';
import type { Context } from './context.ts';
import { collectFields, selectionSetsOf, type Fragments } from './limits/selections.ts';
import { parseSelectedDetails } from './selected-details.ts';

/** Creates the resolver of a query: checks the scopes of everything that it selects, then resolves it. */
export function queryResolver<Args extends object, Result>(
  resolve: (args: Args, context: Context) => Promise<Result>,
) {
  return markAsRootResolver(
    async (_: unknown, args: Args, context: Context, info: GraphQLResolveInfo): Promise<Result> => {
      requireScopes(info, context.scopes);
      const startedAt = performance.now();
      try {
        return await resolve(args, context);
      } catch (error) {
        throw await explainError(error, context);
      } finally {
        // Not the sum: the root fields of a query are resolved concurrently.
        const { summary } = context;
        summary.statementMs = Math.max(summary.statementMs, performance.now() - startedAt);
      }
    },
  );
}

/**
 * Creates the resolver of a mutation: checks the scopes and the idempotency key, passes the mutation its call, and
 * writes the audit event of a rejected call. A successful call writes its own, in its transaction.
 */
export function mutationResolver<Args extends object, Result>(
  resolve: (args: Args, context: Context, call: MutationCall) => Promise<Result>,
) {
  return markAsRootResolver(
    async (_: unknown, args: Args, context: Context, info: GraphQLResolveInfo): Promise<Result> => {
      context.reachedFields.add(info.path.key);
      const call = createMutationCall(args, context, info);
      try {
        // Also those of nested fields: a mutation must not be executed only to hide its result.
        requireScopes(info, context.scopes);
        if (context.idempotencyKey !== undefined) requireIdempotencyKey(context.idempotencyKey);
        call.selectedDetails = selectedDetailsOf(info, call);
        return await resolve(args, context, call);
      } catch (error) {
        await context.mutations.auditRejection(call, error);
        throw await explainError(error, context);
      }
    },
  );
}

/** Says which missing groups were deleted, if the account may read deleted groups. */
async function explainError(error: unknown, { scopes, deletedGroups }: Context): Promise<unknown> {
  return hasScope(scopes, 'groups:read') ? explainMissingGroups(error, deletedGroups) : error;
}

const rootResolvers = new Set<unknown>();

function markAsRootResolver<Resolver>(resolver: Resolver): Resolver {
  rootResolvers.add(resolver);
  return resolver;
}

/** Returns whether a resolver checks scopes, and for a mutation is audited. */
export function isRootResolver(resolver: unknown): boolean {
  return rootResolvers.has(resolver);
}

/** The call of a root field, whose selection is parsed after its scopes and its key were checked. */
type RootFieldCall = MutationCall & { selectedDetails: SelectedDetails };

/** Creates the call of a root field. Its arguments are not validated yet and may have any type. */
export function createMutationCall(
  args: object,
  {
    caller,
    idempotencyKey: key,
    markReplayed,
    summary,
  }: Pick<Context, 'caller' | 'idempotencyKey' | 'markReplayed' | 'summary'>,
  { fieldName, path }: Pick<GraphQLResolveInfo, 'fieldName' | 'path'>,
): RootFieldCall {
  const { id, ids, groupId, fromGroupId, toGroupId, moveSubscribersTo, reason, dryRun } = args as Record<
    string,
    unknown
  >;
  const targetIds = Array.isArray(ids)
    ? ids.slice(0, maxTargetIds)
    : [id ?? groupId ?? fromGroupId, moveSubscribersTo ?? toGroupId];
  return {
    // Each by its name: a spread of this many properties takes longer than all checks of the call.
    account: caller.account,
    credential: caller.credential,
    address: caller.address,
    userAgent: caller.userAgent,
    requestId: caller.requestId,
    operation: fieldName,
    targetIds: targetIds.filter((targetId) => Number.isSafeInteger(targetId)).map(String),
    reason: typeof reason === 'string' ? storableReason(reason) : null,
    isDryRun: dryRun === true,
    // Each of several mutations in one request has its own key, which contains its alias.
    idempotencyKey: key === undefined ? null : path.key === fieldName ? key : `${key}\n${path.key}`,
    fingerprint: key === undefined ? '' : fingerprintOf(args),
    selectedDetails: noDetails,
    markReplayed,
    summary,
  };
}

/** A rejected call may name any number of ids. */
const maxTargetIds = 1000;

/** Returns the reason as the operation would store it; an invalid one is cleaned and truncated to fit the audit log. */
function storableReason(reason: string): string {
  const storable = normalizeText(reason.toWellFormed()).replace(/[^\P{Cc}\n\t]/gu, ' ');
  return Array.from(storable).slice(0, 500).join('');
}

/**
 * What the text of a query says about a root field, by the field's node: Apollo Server caches parsed documents, so this
 * is found once for each text.
 */
const scopesByNode = new WeakMap<FieldNode, readonly Scope[]>();
const detailsByNode = new WeakMap<FieldNode, SelectedDetails>();
/** As `detailsByNode`, of calls with an idempotency key, which get more details. */
const repeatableDetailsByNode = new WeakMap<FieldNode, SelectedDetails>();

/** @throws AppError FORBIDDEN if an account has not all scopes of a field and of what is selected below it */
export function requireScopes(
  { parentType, fieldNodes, fragments }: GraphQLResolveInfo,
  granted: ReadonlySet<string>,
): void {
  // Fast path for the most common accounts.
  if (granted.has('*')) return;
  const node = onlyNodeOf(fieldNodes);
  let scopes = node && scopesByNode.get(node);
  if (!scopes) {
    scopes = scopesOf(fieldNodes, parentType, fragments);
    if (node) scopesByNode.set(node, scopes);
  }
  const missing = scopes.find((scope) => !hasScope(granted, scope));
  if (missing === undefined) return;
  throw new AppError('FORBIDDEN', `The account needs the scope ${missing}`, { requiredScope: missing });
}

/** @throws AppError BAD_USER_INPUT if an argument of `subscribers` is invalid */
function selectedDetailsOf(info: GraphQLResolveInfo, { idempotencyKey }: MutationCall): SelectedDetails {
  const cache = idempotencyKey === null ? detailsByNode : repeatableDetailsByNode;
  const node = onlyNodeOf(info.fieldNodes);
  const cached = node && cache.get(node);
  if (cached) return cached;
  const details = parseSelectedDetails(info, idempotencyKey !== null);
  // Pages of subscribers may depend on variables.
  if (node && details.subscriberPages.length === 0) cache.set(node, details);
  return details;
}

/** Returns the node of a field that is written once; fields with several nodes are merged at each execution. */
function onlyNodeOf(nodes: readonly FieldNode[]): FieldNode | undefined {
  return nodes.length === 1 ? nodes[0] : undefined;
}

/** Returns the scopes, as `declareScopes` stored them, of a field and of everything selected below it. */
function scopesOf(nodes: readonly FieldNode[], parent: GraphQLObjectType, fragments: Fragments): Scope[] {
  // `__typename` is not among the fields.
  const field = parent.getFields()[nodes[0]!.name.value];
  if (!field) return [];
  const own = field.extensions['scope'] as Scope | undefined;
  const type = getNamedType(field.type);
  const below = isObjectType(type)
    ? [...collectFields(selectionSetsOf(nodes), fragments).values()].flatMap((children) =>
        scopesOf(children, type, fragments),
      )
    : [];
  return own === undefined ? below : [own, ...below];
}
