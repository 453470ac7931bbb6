/**
 * Creates a function that runs asynchronous work one at a time, in the order of the calls, so that expensive statements
 * occupy one connection.
 */
export function createTurns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };
}
