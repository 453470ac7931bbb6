/** The function that runs work in its turn. */
type Enqueue = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * Creates a function that runs asynchronous work one at a time, in the order of the calls, so that expensive statements
 * occupy one connection. If `maxWaiting` calls wait already, it throws the error that `rejection` creates: callers may
 * be gone before a longer queue reaches them.
 */
export function createQueue(maxWaiting: number, rejection: () => Error): Enqueue {
  let last: Promise<unknown> = Promise.resolve();
  let unfinished = 0;
  return async (work) => {
    if (unfinished > maxWaiting) throw rejection();
    unfinished++;
    const turn = last.then(work).finally(() => unfinished--);
    last = turn.catch(() => undefined);
    return turn;
  };
}
