import type { GraphQLResolveInfo } from 'graphql';
import { noDetails, type MutationCall } from '../mutations/mutation-call.ts';
import { normalizeText } from '../validation/input-parsers.ts';
import { fingerprintOf, requireIdempotencyKey } from '../mutations/idempotency.ts';
import type { AppError } from '../errors.ts';
import type { Context } from './context.ts';
import { parseSelectedDetails } from './selected-details.ts';

/**
 * Creates the resolver of a mutation: passes it its call, and writes the audit event if the call is rejected. The audit
 * event of a successful call is written by the mutation itself, in its transaction.
 */
export function auditedResolver<Args extends object, Result>(
  resolve: (args: Args, context: Context, call: MutationCall) => Promise<Result>,
) {
  return async (_: unknown, args: Args, context: Context, info: GraphQLResolveInfo): Promise<Result> => {
    const call = createMutationCall(args, context, info);
    try {
      requireIdempotencyKey(context.idempotencyKey);
      const selectedDetails = parseSelectedDetails(info, call.idempotencyKey !== null);
      return await resolve(args, context, { ...call, selectedDetails });
    } catch (error) {
      await context.mutations.auditRejection(call, error);
      throw error;
    }
  };
}

/** Writes the audit event of a call that was rejected before its resolver. @throws the error */
export async function auditRejectedCall(
  args: object,
  context: Context,
  info: GraphQLResolveInfo,
  error: AppError,
): Promise<never> {
  await context.mutations.auditRejection(createMutationCall(args, context, info), error);
  throw error;
}

/** Creates the call of a root field. Its arguments are not validated yet and may have any type. */
export function createMutationCall(
  args: object,
  context: Context,
  { fieldName, path }: Pick<GraphQLResolveInfo, 'fieldName' | 'path'>,
): MutationCall {
  const { id, ids, groupId, fromGroupId, toGroupId, moveSubscribersTo, reason, dryRun } = args as Record<
    string,
    unknown
  >;
  const targetIds = Array.isArray(ids)
    ? ids.slice(0, maxTargetIds)
    : [id ?? groupId ?? fromGroupId, moveSubscribersTo ?? toGroupId];
  const key = context.idempotencyKey;
  return {
    ...context.caller,
    operation: fieldName,
    targetIds: targetIds.filter((targetId) => Number.isSafeInteger(targetId)).map(String),
    reason: typeof reason === 'string' ? excerptOf(reason) : null,
    isDryRun: dryRun === true,
    // Each of several mutations in one request has its own key, which contains its alias.
    idempotencyKey: key === undefined ? null : path.key === fieldName ? key : `${key}\n${path.key}`,
    fingerprint: key === undefined ? '' : fingerprintOf(args),
    selectedDetails: noDetails,
    markReplayed: () => (context.outcome.isReplayed = true),
  };
}

/** A rejected call may name any number of ids. */
const maxTargetIds = 1000;

/** Returns the reason as the operation would store it; an invalid one is cleaned and truncated to fit the audit log. */
function excerptOf(reason: string): string {
  const storable = normalizeText(reason.toWellFormed()).replace(/[^\P{Cc}\n\t]/gu, ' ');
  return Array.from(storable).slice(0, 500).join('');
}
