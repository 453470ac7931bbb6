import { setTimeout as sleep } from 'node:timers/promises';
import { retryOnConflict } from '../database/conflict.ts';
import { waitForCommit } from '../database/lost-commit.ts';
import { isOutcomeUnknown, toUnavailability } from '../database/database-errors.ts';
import { AppError } from '../errors.ts';
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts';
import type { Logger } from '../log.ts';
import type { Call } from './mutation-call.ts';

/** What a mutation did: its result, and the rows before and after for the audit. */
export type Effect<Result> = {
  readonly result: Result;
  readonly targetIds?: readonly (number | string)[];
  readonly before?: unknown;
  readonly after?: unknown;
};

export type Transaction = Prisma.TransactionClient;
export type CallRecorder = ReturnType<typeof createCallRecorder>;

/** Long enough for a group of a million subscribers to be moved. */
const defaultTimeoutMs = 15 * 60 * 1000;
const connectionWaitMs = 3000;
/** How long a repeated call waits for the first one to end, and how often it looks. */
const firstCallWaitMs = 3000;
const firstCallPollMs = 50;

/** Sees to it that every call of a mutation is in the audit once, and that one with an idempotency key is done once. */
export function createCallRecorder(prisma: PrismaClient, log: Logger) {
  return {
    /**
     * Carries a call out in one transaction with its audit entry and its idempotency key: all of it is there, or nothing
     * is. A repeated call gets the first one's result; a dry run is undone, and recorded as one. `work` is run again where
     * it met somebody else, and so must do nothing outside of the transaction. The result must be plain JSON.
     * @throws AppError IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_IN_PROGRESS, and whatever `work` throws.
     */
    async transact<Result>(
      call: Call,
      work: (transaction: Transaction) => Promise<Effect<Result>>,
      { timeoutMs = defaultTimeoutMs }: { timeoutMs?: number } = {},
    ): Promise<Result> {
      /** What is being committed, and the audit entry by which it can be told later whether it was. */
      let committing: { readonly result: Result; readonly entryId: bigint } | undefined;
      const attempt = async () => {
        committing = undefined;
        return prisma.$transaction(
          async (transaction) => {
            const replay = await findReplay<Result>(transaction, call);
            if (replay) {
              call.markReplayed();
              const targetIds = targetsOf(call, replay.response);
              const entryId = await record(transaction, call, { outcome: 'replayed', targetIds });
              committing = { result: replay.response, entryId };
              return replay.response;
            }
            const effect = await work(transaction);
            if (call.isDryRun) throw new Undo(effect);
            await keepResponse(transaction, call, effect.result);
            const entryId = await record(transaction, call, { outcome: 'done', ...effect });
            committing = { result: effect.result, entryId };
            return effect.result;
          },
          { timeout: timeoutMs, maxWait: connectionWaitMs },
        );
      };
      try {
        return await waitForFirstCall(() => retryOnConflict(attempt));
      } catch (error) {
        if (error instanceof Undo) {
          await record(prisma, call, { outcome: 'dry-run', ...error.effect });
          return error.effect.result as Result;
        }
        const failure = toUnavailability(error);
        if (committing === undefined || !isOutcomeUnknown(failure)) throw failure;
        // The connection was lost during the commit: the change is answered as done if it was.
        const { result, entryId } = committing;
        await waitForCommit(
          failure,
          async () => (await prisma.auditEvent.count({ where: { id: entryId } })) > 0,
        );
        return result;
      }
    },

    /**
     * Writes that a call was refused. Where the database went away nobody knows whether it was, so that this is written
     * only if the call is not in the audit already; and nobody has to wait until it is given up.
     */
    async recordRefusal(call: Call, error: unknown): Promise<void> {
      const errorCode = error instanceof AppError ? error.code : 'INTERNAL_SERVER_ERROR';
      const isUnknown = errorCode === 'SERVICE_UNAVAILABLE';
      const write = async () => {
        const { requestId, operation } = call;
        if (isUnknown && (await prisma.auditEvent.count({ where: { requestId, operation } })) > 0) return;
        await record(prisma, call, { outcome: call.isDryRun ? 'dry-run' : 'refused', errorCode });
      };
      // Once more, since a single connection may have been lost.
      const writing = write()
        .catch(write)
        .catch((failure: unknown) =>
          log.warn(
            { reason: (failure as Error).message, requestId: call.requestId, errorCode },
            'failed to write a rejected call to the audit log',
          ),
        );
      if (!isUnknown) await writing;
    },

    /** Removes the idempotency keys that have expired and answers how many. */
    async removeExpiredKeys(): Promise<number> {
      const { count } = await prisma.idempotencyKey.deleteMany({
        where: { createdAt: { lt: keysExpireBefore() } },
      });
      return count;
    },
  };
}

/** Carries the effect of a dry run out of the transaction that it undoes. */
class Undo extends Error {
  readonly effect: Effect<unknown>;
  constructor(effect: Effect<unknown>) {
    super('a dry run is undone');
    this.effect = effect;
  }
}

/** Writes an entry and returns its id. */
async function record(
  client: Pick<PrismaClient, '$queryRaw'>,
  call: Call,
  {
    outcome,
    errorCode,
    targetIds,
    before,
    after,
  }: Partial<Effect<unknown>> & { outcome: string; errorCode?: string },
): Promise<bigint> {
  const { account, credential, address, userAgent, requestId, operation, reason } = call;
  const [entry] = await client.$queryRaw<{ id: bigint }[]>`
    INSERT INTO audit_events (account, credential, address, user_agent, request_id, operation, target_ids, outcome,
      error_code, reason, before, after)
    VALUES (${account}, ${credential}, ${address}, ${userAgent}, ${requestId}, ${operation},
      ${(targetIds ?? call.targetIds).map(String)}::text[], ${outcome}, ${errorCode ?? null}, ${reason},
      ${toJson(before)}::jsonb, ${toJson(after)}::jsonb)
    RETURNING id`;
  return entry!.id;
}

function toJson(row: unknown): string | null {
  return row === undefined ? null : JSON.stringify(row);
}

/**
 * Finds the stored response of a repeated call. If there is none, the transaction holds the key until it ends.
 * @throws AppError IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_IN_PROGRESS
 */
async function findReplay<Result>(
  transaction: Transaction,
  call: Call,
): Promise<{ response: Result } | undefined> {
  const { account, operation, idempotencyKey: key, fingerprint } = call;
  if (key === null) return undefined;
  const scope = JSON.stringify([account, operation, key]);
  const read = async (isLocking: boolean) => {
    const [row] = await transaction.$queryRaw<[LockedKey<Result>]>`
      SELECT ${isLocking} AND pg_try_advisory_xact_lock(hashtextextended(${scope}, 0)) AS "isLocked", stored.fingerprint, stored.response FROM (VALUES (1)) AS one
      LEFT JOIN idempotency_keys AS stored ON account = ${account} AND operation = ${operation} AND key = ${key}
        AND created_at > ${keysExpireBefore()}::timestamptz`;
    if (row.fingerprint !== null && row.fingerprint !== fingerprint) throw keyReused();
    return row;
  };
  // One call with a key is executed at a time. The lock ends with the transaction. Repeated calls, of which there may be many
  // at once, need no lock: they find the response.
  const { isLocked, ...found } = await read(true);
  if (found.fingerprint !== null) return { response: found.response };
  if (!isLocked) throw keyInProgress();

  await transaction.idempotencyKey.deleteMany({
    where: { account, operation, key, createdAt: { lte: keysExpireBefore() } },
  });
  // The first call may have ended between the lookup and the lock.
  const { fingerprint: known, response } = await read(false);
  return known === null ? undefined : { response };
}

type LockedKey<Result> = {
  readonly isLocked: boolean;
  readonly fingerprint: string | null;
  readonly response: Result;
};

/** Tries for a while to find the first call with a key done, without holding a connection in between. */
async function waitForFirstCall<T>(attempt: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + firstCallWaitMs; ;) {
    try {
      return await attempt();
    } catch (error) {
      const isInProgress = error instanceof AppError && error.code === 'IDEMPOTENCY_IN_PROGRESS';
      if (!isInProgress || Date.now() > deadline) throw error;
      await sleep(firstCallPollMs);
    }
  }
}

/** The ids that a repeated call is about: those that it names, or the one that the first call made. */
function targetsOf(call: Call, response: unknown): readonly (number | string)[] {
  if (call.targetIds.length > 0 || !(response instanceof Object) || !('id' in response))
    return call.targetIds;
  return [String(response.id)];
}

async function keepResponse(transaction: Transaction, call: Call, response: unknown): Promise<void> {
  const { account, operation, idempotencyKey: key, fingerprint } = call;
  if (key === null) return;
  const json = JSON.parse(JSON.stringify(response)) as Prisma.InputJsonValue;
  await transaction.idempotencyKey.create({ data: { account, operation, key, fingerprint, response: json } });
}

/** How long a key is kept. */
const keyLifetimeMs = 24 * 60 * 60 * 1000;

/** Keys that were made before this moment have expired. */
export function keysExpireBefore(): Date {
  return new Date(Date.now() - keyLifetimeMs);
}

export function keyInProgress(): AppError {
  return new AppError(
    'IDEMPOTENCY_IN_PROGRESS',
    'A request with this Idempotency-Key is still in progress. Try again later',
  );
}

export function keyReused(): AppError {
  return new AppError(
    'IDEMPOTENCY_KEY_REUSED',
    'This Idempotency-Key was used with other arguments. Use a new key',
  );
}
