import { isTimeLimit, isRolledBackByConflict, retryOnConflict } from '../database/conflict.ts';
import { toUnavailableError } from '../database/database-errors.ts';
import { AppError, lockTimeout } from '../errors.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import { lockGroups } from '../groups/group-locks.ts';
import { batchFinished, type FinishedBatch } from '../measurements/channels.ts';
import { tracer } from '../measurements/tracer.ts';
import { deleteExpiredKey } from '../mutations/idempotency.ts';
import type { Commits } from '../mutations/mutation-runner.ts';
import { recoverDeletions } from './committed-deletions.ts';
import { runDeletionStatement, type DeletionRequest, type DeletionResult } from './delete-statement.ts';

/** The times below follow the moving average of about this many statements: the load of the machine matters. */
const averagedStatements = 16;
/** A statement blocks the next one for this many times as long as statements take on average, within the limits. */
const slowFactor = 4;
const minSlowMs = 50;
const maxSlowMs = 500;
/** A batch waits for the clients of the last one for the average time, up to this limit, and not at all below 1 ms. */
const maxGatherMs = 50;
/**
 * From this many concurrent deletes on, a batch has half of them: PostgreSQL executes one half while this process
 * responds to the other.
 */
const minHalvedDeletes = 32;
/** The maximum number of concurrent batches: a second one starts if the first is slow. */
const maxInFlight = 2;
/** The maximum number of concurrent single requests: a few of the pool's connections. */
const maxSinglesInFlight = 4;
/** The maximum number of requests in a batch. */
const maxBatchSize = 256;

type PendingRequest = {
  readonly request: DeletionRequest;
  /** Since when the request waits for a statement, by the clock of `performance.now()`. */
  waitingSince: number;
  readonly resolve: (result: DeletionResult) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * Group commit: concurrent deletes are batched into one statement, since a statement and its commit cost about the same
 * for one delete as for thirty. One batch runs at a time; a second one may start if the first is slow. After a batch,
 * the next one waits a moment for the same clients; with many clients it has half of them, and its statement runs while
 * the responses of the last one are written. A delete on an idle server starts immediately: it never waits to fill a
 * batch. If a batch fails, its deletes are retried individually. `commits` emits `commit` after each statement.
 * `run` runs a delete; it rejects if the database is unavailable or the group stays locked. `readQueue` returns the
 * number of deletes that wait for a statement, and of running statements.
 */
export function createGroupCommit(
  prisma: PrismaClient,
  retentionDays: number,
  commits: Commits,
): {
  run(request: DeletionRequest): Promise<DeletionResult>;
  readQueue(): { readonly waiting: number; readonly running: number };
} {
  let pending: PendingRequest[] = [];
  let inFlight = 0;
  /** The running batch, unless it is slow. */
  let current: PendingRequest[] | undefined;
  let averageMs = 0;
  /** The number of requests that the next batch waits for, until the timer ends. */
  let expected = 0;
  let gathering: NodeJS.Timeout | undefined;

  // Outside the batches, which must not wait for a request that may wait for a lock; and few at a time, so that they do
  // not use up the connection pool.
  const singles: PendingRequest[] = [];
  let singlesInFlight = 0;
  const runSingly = (...requests: PendingRequest[]) => {
    singles.push(...requests);
    while (singlesInFlight < maxSinglesInFlight && singles.length > 0) {
      const single = singles.shift()!;
      singlesInFlight++;
      void measureBatch([single], 'alone', () => runSingle(prisma, single.request, retentionDays))
        .then(single.resolve, single.reject)
        .finally(() => {
          singlesInFlight--;
          commits.emit('commit', single.request.call.operation);
          runSingly();
        });
    }
  };

  /** Runs the statement of a batch, and returns the function that settles its requests. */
  const executeBatch = async (batch: PendingRequest[]): Promise<() => void> => {
    try {
      const results = await measureBatch(batch, 'joint', () => runBatch(prisma, batch, retentionDays));
      // All of them are events of the same type.
      commits.emit('commit', batch[0]!.request.call.operation);
      return () => {
        for (const [index, result] of results.entries()) {
          if (result === undefined) runSingly(batch[index]!);
          else batch[index]!.resolve(result);
        }
      };
    } catch (error) {
      return () => {
        if (isFatal(error)) for (const { reject } of batch) reject(error);
        else runSingly(...batch);
      };
    }
  };

  const flush = () => {
    if (current || inFlight >= maxInFlight || pending.length === 0 || pending.length < expected) return;
    stopGathering();
    const batch = pending.slice(0, maxBatchSize);
    pending = pending.slice(maxBatchSize);
    inFlight++;
    const startedAt = performance.now();
    current = batch;
    const release = () => {
      if (current === batch) current = undefined;
    };
    const slowMs = Math.min(Math.max(averageMs * slowFactor, minSlowMs), maxSlowMs);
    const slow = setTimeout(() => {
      release();
      flush();
    }, slowMs);
    void executeBatch(batch).then((settleBatch) => {
      // Once the next batch has been sent, below: PostgreSQL executes it while this process writes the responses.
      setImmediate(settleBatch);
      clearTimeout(slow);
      inFlight--;
      release();
      // Limited, so that one that was blocked does not count for long.
      const elapsedMs = Math.min(performance.now() - startedAt, maxSlowMs);
      averageMs += (elapsedMs - averageMs) / averagedStatements;
      gather(batch.length + pending.length);
      flush();
    });
  };

  // The clients of a batch usually send their next deletes soon after its responses: together with those that wait
  // already they are one batch, or two equal ones, instead of several, which matters most if servers share few cores.
  const gather = (count: number) => {
    stopGathering();
    const waitMs = Math.min(averageMs, maxGatherMs);
    if (waitMs < 1) return;
    expected = Math.min(count < minHalvedDeletes ? count : Math.floor(count / 2), maxBatchSize);
    gathering = setTimeout(() => {
      stopGathering();
      flush();
    }, waitMs);
  };
  const stopGathering = () => {
    clearTimeout(gathering);
    expected = 0;
  };

  return {
    run: (request) =>
      new Promise((resolve, reject) => {
        pending.push({ request, waitingSince: performance.now(), resolve, reject });
        flush();
      }),
    readQueue: () => ({
      waiting: pending.length + singles.length,
      running: inFlight + singlesInFlight,
    }),
  };
}

/**
 * Runs the statement of a batch, and notes its times in the summaries of the requests that it carries. They wait again
 * from its end, for those whose delete is repeated alone.
 */
async function measureBatch<T>(
  batch: readonly PendingRequest[],
  kind: FinishedBatch['kind'],
  statement: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  let isSuccess = false;
  try {
    const traces = tracer && batch.map(({ request }) => request.call.summary?.trace);
    const result = await (traces ? tracer!.runBatch(traces, statement) : statement());
    isSuccess = true;
    return result;
  } finally {
    const endedAt = performance.now();
    const statementMs = endedAt - startedAt;
    const size = batch.length;
    if (batchFinished.hasSubscribers) {
      const waitsMs = batch.map(({ waitingSince }) => startedAt - waitingSince);
      batchFinished.publish({ size, kind, waitsMs, statementMs, isSuccess });
    }
    for (const waiting of batch) {
      const { summary } = waiting.request.call;
      if (summary) {
        summary.batchSize = Math.max(summary.batchSize, size);
        summary.waitMs += startedAt - waiting.waitingSince;
        summary.statementMs += statementMs;
      }
      waiting.waitingSince = endedAt;
    }
  }
}

/**
 * Returns whether all deletes of a failed batch fail with its error: the database is unavailable. A statement that
 * failed because of a lock or a time limit was rolled back and may be retried.
 */
function isFatal(error: unknown): boolean {
  return error instanceof AppError && !isRolledBackByConflict(error) && !isTimeLimit(error);
}

/**
 * Runs the statement for a batch of requests. If its result is lost with the connection, finds out what was committed.
 */
async function runBatch(
  prisma: PrismaClient,
  batch: readonly PendingRequest[],
  retentionDays: number,
): Promise<(DeletionResult | undefined)[]> {
  const requests = batch.map(({ request }) => request);
  try {
    return await runDeletionStatement(prisma, requests, retentionDays, Prisma.sql`SKIP LOCKED`);
  } catch (error) {
    return recoverDeletions(prisma, requests, error);
  }
}

/** Runs one request. Locks its group first, so that the statement deletes the row version that it reads. */
async function runSingle(
  prisma: PrismaClient,
  request: DeletionRequest,
  retentionDays: number,
): Promise<DeletionResult> {
  try {
    return await retryOnConflict(async () => {
      await deleteExpiredKey(prisma, request.call);
      return prisma.$transaction(async (transaction) => {
        await lockGroups(transaction, [request.id]);
        const [result] = await runDeletionStatement(transaction, [request], retentionDays);
        if (!result) throw lockTimeout();
        return result;
      });
    });
  } catch (error) {
    const [result] = await recoverDeletions(prisma, [request], toUnavailableError(error));
    return result!;
  }
}
