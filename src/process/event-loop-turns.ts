import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * The number of objects of lists that are completed in one turn of the event loop, by all requests together. With all
 * their fields they take some milliseconds, which graphql-js never interrupts.
 */
const objectsPerTurn = 500;

let turn: Promise<unknown> = Promise.resolve();
let free = objectsPerTurn;

/** A list up to this length does not wait: others may have queued many turns. */
const shortList = 100;

/** Waits for a turn of the event loop in which this many more objects may be completed. */
export function turnFor(count: number): Promise<unknown> {
  if (count > free) {
    turn = turn.then(() => nextTurn());
    free = objectsPerTurn;
  }
  free -= count;
  return turn;
}

/**
 * Returns a list for graphql-js to complete over several turns of the event loop, between which other requests are
 * served. Each object after the first turn is a promise.
 */
export async function inTurns<T>(list: readonly T[]): Promise<(T | Promise<T>)[]> {
  if (list.length <= shortList) return [...list];
  const turns: Promise<unknown>[] = [];
  for (let left = list.length; left > 0; left -= objectsPerTurn)
    turns.push(turnFor(Math.min(left, objectsPerTurn)));
  await turns[0];
  return list.map((object, index) =>
    index < objectsPerTurn ? object : turns[Math.floor(index / objectsPerTurn)]!.then(() => object),
  );
}

/** Waits until the lists that are read by now are completed. */
export async function untilCompleted(): Promise<void> {
  // After those whose readers are about to continue.
  await nextTurn();
  await turn;
}
