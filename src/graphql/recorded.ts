import { createHash } from 'node:crypto';
import type { GraphQLResolveInfo } from 'graphql';
import type { Call } from '../audit/call.ts';
import { badInput } from '../errors.ts';
import type { Context } from './context.ts';

/**
 * Makes a resolver of a mutation: hands it its call, and sees to it that a call that is refused is in the audit too, as
 * one that succeeds is by whatever carries it out.
 */
export function recorded<Args extends object, Result>(
  resolve: (args: Args, context: Context, call: Call) => Promise<Result>,
) {
  return async (_: unknown, args: Args, context: Context, info: GraphQLResolveInfo): Promise<Result> => {
    const call = createCall(args, context, info);
    try {
      requireIdempotencyKey(context.idempotencyKey);
      return await resolve(args, context, call);
    } catch (error) {
      await context.recorder.recordRefusal(call, error);
      throw error;
    }
  };
}

function createCall(args: object, context: Context, { fieldName, path }: GraphQLResolveInfo): Call {
  const { id, ids, groupId, fromGroupId, reason, dryRun } = args as Record<string, unknown>;
  const named = Array.isArray(ids) ? ids : [id ?? groupId ?? fromGroupId];
  const key = context.idempotencyKey;
  return {
    ...context.caller,
    operation: fieldName,
    targetIds: named.filter((each) => Number.isInteger(each)).map(String),
    reason: typeof reason === 'string' ? excerptOf(reason) : null,
    isDryRun: dryRun === true,
    // Of several mutations in one request each has the key for itself, by its alias.
    idempotencyKey: key === undefined ? null : path.key === fieldName ? key : `${key}#${path.key}`,
    fingerprint:
      key === undefined ? '' : createHash('sha256').update(JSON.stringify(args)).digest('base64url'),
    markReplayed: () => (context.outcome.isReplayed = true),
  };
}

/** A reason that the operation refuses is in the audit as far as PostgreSQL can store it. */
function excerptOf(reason: string): string {
  return reason
    .slice(0, 500)
    .toWellFormed()
    .replace(/\p{Cc}/gu, ' ');
}

/** @throws AppError BAD_USER_INPUT */
function requireIdempotencyKey(key: string | undefined): void {
  if (key !== undefined && !/^[\x20-\x7e]{1,255}$/.test(key)) {
    throw badInput('Idempotency-Key', 'Idempotency-Key must have 1 to 255 printable ASCII characters');
  }
}
