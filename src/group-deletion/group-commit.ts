/** How long a statement blocks the next one; much longer than a statement usually takes. */
const slowStatementMs = 50;
/** The maximum number of concurrent batches: a second one starts if the first is slow. */
const maxInFlight = 2;
/** The maximum number of concurrent single requests: a few of the pool's connections. */
const maxSinglesInFlight = 4;
/** The maximum number of requests in a batch. */
const maxBatchSize = 256;

/** Runs a request and returns its result. Rejects with the error of the request. */
type Enqueue<Request, Result> = (request: Request) => Promise<Result>;

type PendingRequest<Request, Result> = {
  readonly request: Request;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
};

/** The functions that execute requests. */
type Work<Request, Result> = {
  /** Returns one result per request, in order; `undefined` passes the request to `runSingle`. */
  readonly runBatch: (requests: Request[]) => Promise<(Result | undefined)[]>;
  readonly runSingle: (request: Request) => Promise<Result>;
  /** Returns whether the requests of a failed batch must fail with its error instead of being retried individually. */
  readonly isFatal: (error: unknown) => boolean;
};

/**
 * Group commit: concurrent requests are batched into one statement, since a statement and its commit cost about the
 * same for one request as for thirty. One batch runs at a time; a second one may start if the first is slow. A request
 * on an idle server starts immediately: it never waits to fill a batch. If a batch fails, its requests are retried
 * individually.
 */
export function createGroupCommit<Request, Result>({
  runBatch,
  runSingle,
  isFatal,
}: Work<Request, Result>): Enqueue<Request, Result> {
  let pending: PendingRequest<Request, Result>[] = [];
  let inFlight = 0;
  /** The running batch, unless it is slow. */
  let current: Promise<void> | undefined;

  // Outside the batches, which must not wait for a request that may wait for a lock; and few at a time, so that they do
  // not use up the connection pool.
  const singles: PendingRequest<Request, Result>[] = [];
  let singlesInFlight = 0;
  const runSingly = (...requests: PendingRequest<Request, Result>[]) => {
    singles.push(...requests);
    while (singlesInFlight < maxSinglesInFlight && singles.length > 0) {
      const { request, resolve, reject } = singles.shift()!;
      singlesInFlight++;
      void runSingle(request)
        .then(resolve, reject)
        .finally(() => {
          singlesInFlight--;
          runSingly();
        });
    }
  };

  const executeBatch = async (batch: PendingRequest<Request, Result>[]) => {
    try {
      const results = await runBatch(batch.map(({ request }) => request));
      for (const [index, result] of results.entries()) {
        if (result === undefined) runSingly(batch[index]!);
        else batch[index]!.resolve(result);
      }
    } catch (error) {
      if (isFatal(error)) for (const { reject } of batch) reject(error);
      else runSingly(...batch);
    }
  };

  const flush = () => {
    if (current || inFlight >= maxInFlight || pending.length === 0) return;
    const batch = pending.slice(0, maxBatchSize);
    pending = pending.slice(maxBatchSize);
    inFlight++;
    const running = executeBatch(batch);
    current = running;
    const startNextBatch = () => {
      if (current === running) current = undefined;
      flush();
    };
    const slow = setTimeout(startNextBatch, slowStatementMs);
    void running.finally(() => {
      clearTimeout(slow);
      inFlight--;
      startNextBatch();
    });
  };

  return (request) =>
    new Promise((resolve, reject) => {
      pending.push({ request, resolve, reject });
      flush();
    });
}
