import { EventEmitter } from 'node:events';
import { retryOnConflict } from '../database/conflict.ts';
import { waitForCommit } from '../database/lost-commit.ts';
import { isOutcomeUnknown, toUnavailableError } from '../database/database-errors.ts';
import { AppError, type ErrorCode } from '../errors.ts';
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts';
import type { Logger } from '../log.ts';
import { mutationFinished, type FinishedMutation } from '../measurements/channels.ts';
import { addStatementTime, addWaitTime } from '../measurements/request-summary.ts';
import { hasAuditEvent, writeAuditEvent, type AuditOutcome } from './audit-log.ts';
import { findStoredResponse, storeResponse, waitForFirstCall } from './idempotency.ts';
import type { MutationCall } from './mutation-call.ts';

/** The audit event of a mutation: its id if it is written already, otherwise its targets and rows. */
export type AuditedChange = Pick<AuditOutcome, 'targetIds' | 'before' | 'after'> & {
  readonly eventId?: bigint;
};
type MutationResult<Result> = AuditedChange & { readonly result: Result };

/** Reports the commits of this server, with the operation in the audit log. */
export type Commits = EventEmitter<{ commit: [operation: string] }>;
export type Transaction = Prisma.TransactionClient;
export type MutationRunner = ReturnType<typeof createMutationRunner>;

/** Long enough to move a million subscribers. */
const defaultTimeoutMs = 15 * 60 * 1000;
const connectionWaitMs = 3000;

/** Runs mutations: one transaction with audit event, idempotency and dry-run handling. */
export function createMutationRunner(prisma: PrismaClient, log: Logger) {
  const commits: Commits = new EventEmitter();

  return {
    /** Emits `commit` after each commit of a mutation by this server. Writers that do not use `run` emit it, too. */
    commits,

    /**
     * Adds a listener that is called after each commit of a mutation of this process, and returns the function that
     * removes it. The listener receives the operation, must return immediately, and must not throw.
     */
    onCommit(listener: (operation: string) => void): () => void {
      commits.on('commit', listener);
      return () => commits.off('commit', listener);
    },

    /**
     * Runs a call in one transaction together with its audit event and its idempotency key. A repeated call returns the
     * result of the first one; a dry run is rolled back and audited as a dry run. `work` may be retried on conflicts,
     * so it must be free of side effects outside the transaction. Its result must be plain JSON. It may write the audit
     * event itself, with `runChangeStatement`.
     * @throws AppError IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_IN_PROGRESS, and any error of `work`
     */
    async run<Result>(
      call: MutationCall,
      work: (transaction: Transaction) => Promise<MutationResult<Result>>,
      { timeoutMs = defaultTimeoutMs }: { timeoutMs?: number } = {},
    ): Promise<Result> {
      /** The result being committed, and the id of its audit event, which shows later whether the commit succeeded. */
      let committing: { readonly result: Result; readonly eventId: bigint } | undefined;
      let outcome: FinishedMutation['outcome'] = 'done';
      const attempt = async () => {
        committing = undefined;
        outcome = 'done';
        const startedAt = performance.now();
        const committed = prisma.$transaction(
          async (transaction) => {
            const stored = await findStoredResponse<Result>(transaction, call);
            if (stored) {
              call.markReplayed();
              outcome = 'replayed';
              const targetIds = targetsOf(call, stored.response);
              const eventId = await writeAuditEvent(transaction, call, { outcome: 'replayed', targetIds });
              committing = { result: stored.response, eventId };
              return stored.response;
            }
            const mutation = await work(transaction);
            if (call.isDryRun) throw new DryRunRollback(mutation);
            await storeResponse(transaction, call, mutation.result);
            const eventId =
              mutation.eventId ??
              (await writeAuditEvent(transaction, call, { outcome: 'done', ...mutation }));
            committing = { result: mutation.result, eventId };
            return mutation.result;
          },
          { timeout: timeoutMs, maxWait: connectionWaitMs },
        );
        return committed.finally(() => addStatementTime(call.summary, startedAt));
      };
      try {
        const result = await addWaitTime(call.summary, () =>
          waitForFirstCall(() => retryOnConflict(attempt)),
        );
        commits.emit('commit', call.operation);
        reportOutcome(call, outcome);
        return result;
      } catch (error) {
        if (error instanceof DryRunRollback) {
          await writeAuditEvent(prisma, call, { outcome: 'dry-run', ...error.mutation });
          reportOutcome(call, 'dry-run');
          return error.mutation.result as Result;
        }
        const failure = toUnavailableError(error);
        if (committing === undefined || !isOutcomeUnknown(failure)) throw failure;
        // The connection was lost during the commit: return the result if the change was committed.
        const { result, eventId } = committing;
        const { requestId, account, operation } = call;
        // Not by the id alone: after a failover the new primary may give an id that was lost to another event.
        const where = { id: eventId, requestId, account, operation };
        await waitForCommit(prisma, failure, async () => (await prisma.auditEvent.count({ where })) > 0);
        reportOutcome(call, outcome);
        return result;
      }
    },

    /**
     * Writes the audit event of a rejected call, whose outcome is stored as `refused`. If the outcome of the call is
     * unknown, the event is written only if the call has none yet. If the database became unavailable, the caller does
     * not wait for it.
     */
    async auditRejection(call: MutationCall, error: unknown): Promise<void> {
      const errorCode = error instanceof AppError ? error.code : 'INTERNAL_SERVER_ERROR';
      reportOutcome(call, 'rejected', errorCode);
      const isUnavailable = errorCode === 'SERVICE_UNAVAILABLE';
      const write = async (mayHaveEvent: boolean) => {
        // Clients choose request ids as they like: an earlier call may have the same one.
        const since = new Date(Date.now() - defaultTimeoutMs);
        if (mayHaveEvent && (await hasAuditEvent(prisma, call, since))) return;
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
  };
}

/** Publishes the end of a call. */
export function reportOutcome(
  { operation }: MutationCall,
  outcome: FinishedMutation['outcome'],
  errorCode?: ErrorCode,
): void {
  if (mutationFinished.hasSubscribers)
    mutationFinished.publish({ operation, outcome, ...(errorCode && { errorCode }) });
}

/** Rolls back the transaction of a dry run and carries its result to the caller. */
class DryRunRollback extends Error {
  readonly mutation: MutationResult<unknown>;
  constructor(mutation: MutationResult<unknown>) {
    super('dry run: rolled back');
    this.mutation = mutation;
  }
}

/** The target ids of a repeated call: the ids in its arguments, or the id that the first call created. */
function targetsOf(call: MutationCall, response: unknown): readonly (number | string)[] {
  if (call.targetIds.length > 0 || !(response instanceof Object) || !('id' in response))
    return call.targetIds;
  return [String(response.id)];
}
