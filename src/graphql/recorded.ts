import type { GraphQLResolveInfo } from 'graphql';
import { noDetails, type MutationCall } from '../mutations/mutation-call.ts';
import { normalizeText } from '../validation/input-parsers.ts';
import { fingerprintOf, requireIdempotencyKey } from '../mutations/idempotency.ts';
import type { AppError } from '../errors.ts';
import type { Context } from './context.ts';
import { parseSelectedDetails } from './selected-details.ts';

/**
 * Makes a resolver of a mutation: hands it its call, and sees to it that a call that is refused is in the audit too, as
 * one that succeeds is by whatever carries it out.
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

/** Raises the refusal of a call that did not reach its resolver, and sees to it that it is in the audit. */
export async function auditRejectedCall(
  args: object,
  context: Context,
  info: GraphQLResolveInfo,
  refusal: AppError,
): Promise<never> {
  await context.mutations.auditRejection(createMutationCall(args, context, info), refusal);
  throw refusal;
}

/** Describes a call of a root field for the audit: its arguments may be of any type. */
export function createMutationCall(
  args: object,
  context: Context,
  { fieldName, path }: Pick<GraphQLResolveInfo, 'fieldName' | 'path'>,
): MutationCall {
  const { id, ids, groupId, fromGroupId, toGroupId, moveSubscribersTo, reason, dryRun } = args as Record<
    string,
    unknown
  >;
  const named = Array.isArray(ids)
    ? ids.slice(0, maxTargetIds)
    : [id ?? groupId ?? fromGroupId, moveSubscribersTo ?? toGroupId];
  const key = context.idempotencyKey;
  return {
    ...context.caller,
    operation: fieldName,
    targetIds: named.filter((each) => Number.isSafeInteger(each)).map(String),
    reason: typeof reason === 'string' ? excerptOf(reason) : null,
    isDryRun: dryRun === true,
    // Of several mutations in one request each has the key for itself, by its alias.
    idempotencyKey: key === undefined ? null : path.key === fieldName ? key : `${key}\n${path.key}`,
    fingerprint: key === undefined ? '' : fingerprintOf(args),
    selectedDetails: noDetails,
    markReplayed: () => (context.outcome.isReplayed = true),
  };
}

/** A refused call may name any number. */
const maxTargetIds = 1000;

/** The reason as the operation reads it; of one that it refuses, as much as the audit can hold. */
function excerptOf(reason: string): string {
  const storable = normalizeText(reason.toWellFormed()).replace(/[^\P{Cc}\n\t]/gu, ' ');
  return Array.from(storable).slice(0, 500).join('');
}
