/** How long a statement keeps the next one waiting: much longer than one usually takes. */
const slowStatementMs = 50;
/** How many statements run at the same moment, where slow ones have let others go ahead. */
const maxInFlight = 2;
/** How many requests run alone at the same moment: a few of the pool's connections. */
const maxSinglesInFlight = 4;
/** How many requests go together at most. */
const maxBatchSize = 256;

/** Gives a request its answer. Rejects with the request's own error. */
export type Enqueue<Request, Answer> = (request: Request) => Promise<Answer>;

type Waiting<Request, Answer> = {
  readonly request: Request;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
};

/** What a queue does with requests. */
type Work<Request, Answer> = {
  /** Answers a whole batch, in order; `undefined` sends that one request to `runSingle`. */
  readonly runBatch: (requests: Request[]) => Promise<(Answer | undefined)[]>;
  readonly runSingle: (request: Request) => Promise<Answer>;
  /** Tells an error of a batch after which its requests must not be run again, but fail with it. */
  readonly isFatal: (error: unknown) => boolean;
};

/**
 * Lets requests that wait at the same moment go to the database as one statement and be committed together, since a
 * statement and its commit cost about the same for one request as for thirty. They wait for the statement before theirs, so
 * that there is one at a time, and a second one only beside a slow one. A request that finds none goes at once: an idle server
 * never waits to fill a batch. Where a batch fails, each of its requests is run alone: none pays for its neighbour.
 */
export function createGroupCommit<Request, Answer>({
  runBatch,
  runSingle,
  isFatal,
}: Work<Request, Answer>): Enqueue<Request, Answer> {
  let waiting: Waiting<Request, Answer>[] = [];
  let inFlight = 0;
  /** A statement that is not slow yet. */
  let current: Promise<void> | undefined;

  // Beside the statements, which must not wait for a request that may have to wait for others; and a few at a time, so that
  // these do not take every connection that there is.
  const alone: Waiting<Request, Answer>[] = [];
  let singlesInFlight = 0;
  const runSingly = (...requests: Waiting<Request, Answer>[]) => {
    alone.push(...requests);
    while (singlesInFlight < maxSinglesInFlight && alone.length > 0) {
      const { request, resolve, reject } = alone.shift()!;
      singlesInFlight++;
      void runSingle(request)
        .then(resolve, reject)
        .finally(() => {
          singlesInFlight--;
          runSingly();
        });
    }
  };

  const executeBatch = async (batch: Waiting<Request, Answer>[]) => {
    try {
      const answers = await runBatch(batch.map(({ request }) => request));
      for (const [index, answer] of answers.entries()) {
        if (answer === undefined) runSingly(batch[index]!);
        else batch[index]!.resolve(answer);
      }
    } catch (error) {
      if (isFatal(error)) for (const { reject } of batch) reject(error);
      else runSingly(...batch);
    }
  };

  const flush = () => {
    if (current || inFlight >= maxInFlight || waiting.length === 0) return;
    const batch = waiting.slice(0, maxBatchSize);
    waiting = waiting.slice(maxBatchSize);
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
      waiting.push({ request, resolve, reject });
      flush();
    });
}
