import { setTimeout as sleep } from 'node:timers/promises';
import { retryOnConflict } from '../database/conflict.ts';
import { waitForCommit } from '../database/lost-commit.ts';
import { isOutcomeUnknown, toUnavailableError } from '../database/database-errors.ts';
import { AppError } from '../errors.ts';
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts';
import type { Logger } from '../log.ts';
import type { MutationCall } from './mutation-call.ts';

/** The outcome of a mutation: its result, and the rows before and after for the audit log. */
export type MutationResult<Result> = {
  readonly result: Result;
  readonly targetIds?: readonly (number | string)[];
  readonly before?: unknown;
  readonly after?: unknown;
};

export type Transaction = Prisma.TransactionClient;
export type MutationRunner = ReturnType<typeof createMutationRunner>;

/** Long enough to move a million subscribers. */
const defaultTimeoutMs = 15 * 60 * 1000;
const connectionWaitMs = 3000;
/** How long a repeated call waits for the first call to end, and how often it polls. */
const firstCallWaitMs = 3000;
const firstCallPollMs = 50;

/** Runs mutations: one transaction with audit event, idempotency and dry-run handling. */
export function createMutationRunner(prisma: PrismaClient, log: Logger) {
  return {
    /**
     * Runs a call in one transaction together with its audit event and its idempotency key. A repeated call returns the
     * result of the first one; a dry run is rolled back and audited as a dry run. `work` may be retried on conflicts,
     * so it must be free of side effects outside the transaction. Its result must be plain JSON.
     * @throws AppError IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_IN_PROGRESS, and any error of `work`
     */
    async run<Result>(
      call: MutationCall,
      work: (transaction: Transaction) => Promise<MutationResult<Result>>,
      { timeoutMs = defaultTimeoutMs }: { timeoutMs?: number } = {},
    ): Promise<Result> {
      /** The result being committed, and the id of its audit event, which shows later whether the commit succeeded. */
      let committing: { readonly result: Result; readonly eventId: bigint } | undefined;
      const attempt = async () => {
        committing = undefined;
        return prisma.$transaction(
          async (transaction) => {
            const stored = await findStoredResponse<Result>(transaction, call);
            if (stored) {
              call.markReplayed();
              const targetIds = targetsOf(call, stored.response);
              const eventId = await writeAuditEvent(transaction, call, { outcome: 'replayed', targetIds });
              committing = { result: stored.response, eventId };
              return stored.response;
            }
            const mutation = await work(transaction);
            if (call.isDryRun) throw new DryRunRollback(mutation);
            await storeResponse(transaction, call, mutation.result);
            const eventId = await writeAuditEvent(transaction, call, { outcome: 'done', ...mutation });
            committing = { result: mutation.result, eventId };
            return mutation.result;
          },
          { timeout: timeoutMs, maxWait: connectionWaitMs },
        );
      };
      try {
        return await waitForFirstCall(() => retryOnConflict(attempt));
      } catch (error) {
        if (error instanceof DryRunRollback) {
          await writeAuditEvent(prisma, call, { outcome: 'dry-run', ...error.mutation });
          return error.mutation.result as Result;
        }
        const failure = toUnavailableError(error);
        if (committing === undefined || !isOutcomeUnknown(failure)) throw failure;
        // The connection was lost during the commit: return the result if the change was committed.
        const { result, eventId } = committing;
        await waitForCommit(
          failure,
          async () => (await prisma.auditEvent.count({ where: { id: eventId } })) > 0,
        );
        return result;
      }
    },

    /**
     * Writes the audit event of a rejected call. If the outcome of the call is unknown, the event is written only if
     * the call has none yet. If the database became unavailable, the caller does not wait for it.
     */
    async auditRejection(call: MutationCall, error: unknown): Promise<void> {
      const errorCode = error instanceof AppError ? error.code : 'INTERNAL_SERVER_ERROR';
      const isUnavailable = errorCode === 'SERVICE_UNAVAILABLE';
      const write = async (mayHaveEvent: boolean) => {
        if (mayHaveEvent && (await hasAuditEvent(prisma, call))) return;
        await writeAuditEvent(prisma, call, { outcome: call.isDryRun ? 'dry-run' : 'refused', errorCode });
      };
      // Retry once: only one connection may have been lost.
      const writing = write(isOutcomeUnknown(error))
        .catch(() => write(isUnavailable))
        .catch((failure: unknown) =>
          log.warn(
            { reason: (failure as Error).message, requestId: call.requestId, errorCode },
            'failed to write a rejected call to the audit log',
          ),
        );
      if (!isUnavailable) await writing;
    },

    /** Deletes the expired idempotency keys and returns their number. */
    async deleteExpiredKeys(): Promise<number> {
      const { count } = await prisma.idempotencyKey.deleteMany({
        where: { createdAt: { lt: idempotencyCutoff() } },
      });
      return count;
    },
  };
}

/** Rolls back the transaction of a dry run and carries its result to the caller. */
class DryRunRollback extends Error {
  readonly mutation: MutationResult<unknown>;
  constructor(mutation: MutationResult<unknown>) {
    super('dry run: rolled back');
    this.mutation = mutation;
  }
}

/**
 * Returns whether the audit log has an event of a call. Other calls of the same request have other targets; a call
 * without any may have created its target.
 */
async function hasAuditEvent(prisma: PrismaClient, call: MutationCall): Promise<boolean> {
  const { requestId, account, operation } = call;
  const targets = call.targetIds.length > 0 ? { targetIds: { equals: [...call.targetIds] } } : {};
  return (await prisma.auditEvent.count({ where: { requestId, account, operation, ...targets } })) > 0;
}

/** Writes an audit event and returns its id. */
async function writeAuditEvent(
  client: Pick<PrismaClient, '$queryRaw'>,
  call: MutationCall,
  {
    outcome,
    errorCode,
    targetIds,
    before,
    after,
  }: Partial<MutationResult<unknown>> & { outcome: string; errorCode?: string },
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
 * Finds the stored response of a repeated call. If there is none, the transaction locks the key until it ends.
 * @throws AppError IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_IN_PROGRESS
 */
async function findStoredResponse<Result>(
  transaction: Transaction,
  call: MutationCall,
): Promise<{ response: Result } | undefined> {
  const { account, operation, idempotencyKey: key, fingerprint } = call;
  if (key === null) return undefined;
  const scope = JSON.stringify([account, operation, key]);
  const read = async (isLocking: boolean) => {
    const [row] = await transaction.$queryRaw<[LockedKey<Result>]>`
      SELECT ${isLocking} AND pg_try_advisory_xact_lock(hashtextextended(${scope}, 0)) AS "isLocked", stored.fingerprint, stored.response FROM (VALUES (1)) AS one
      LEFT JOIN idempotency_keys AS stored ON account = ${account} AND operation = ${operation} AND key = ${key}
        AND created_at > ${idempotencyCutoff()}::timestamptz`;
    if (row.fingerprint !== null && row.fingerprint !== fingerprint) throw keyReused();
    return row;
  };
  // Calls with the same key are serialized by a lock that ends with the transaction. Repeated calls, of which there may
  // be many concurrently, need no lock: they find the response.
  const { isLocked, ...stored } = await read(true);
  if (stored.fingerprint !== null) return { response: stored.response };
  if (!isLocked) throw keyInProgress();

  await transaction.idempotencyKey.deleteMany({
    where: { account, operation, key, createdAt: { lte: idempotencyCutoff() } },
  });
  // The first call may have ended between the lookup and the lock.
  const { fingerprint: storedFingerprint, response } = await read(false);
  return storedFingerprint === null ? undefined : { response };
}

type LockedKey<Result> = {
  readonly isLocked: boolean;
  readonly fingerprint: string | null;
  readonly response: Result;
};

/** Retries while the first call with a key is in progress, without occupying a connection between attempts. */
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

/** The target ids of a repeated call: the ids in its arguments, or the id that the first call created. */
function targetsOf(call: MutationCall, response: unknown): readonly (number | string)[] {
  if (call.targetIds.length > 0 || !(response instanceof Object) || !('id' in response))
    return call.targetIds;
  return [String(response.id)];
}

async function storeResponse(transaction: Transaction, call: MutationCall, response: unknown): Promise<void> {
  const { account, operation, idempotencyKey: key, fingerprint } = call;
  if (key === null) return;
  const json = JSON.parse(JSON.stringify(response)) as Prisma.InputJsonValue;
  await transaction.idempotencyKey.create({ data: { account, operation, key, fingerprint, response: json } });
}

/** How long a key is stored. */
const keyLifetimeMs = 24 * 60 * 60 * 1000;

/** The expiry cutoff: keys created before this time have expired. */
export function idempotencyCutoff(): Date {
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
