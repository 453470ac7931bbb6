/** A generator of random numbers (mulberry32): the same seed repeats them, so that a failure can be reproduced. */
export function createRandom(seed: number) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    /** A random integer from 0 to `limit - 1`. */
    below: (limit: number) => Math.floor(next() * limit),
    pick: <T>(values: readonly T[]): T => values[Math.floor(next() * values.length)]!,
  };
}

/** Returns the random seed of this run: SEED, if it is set, otherwise a new one. Prints it, so that the run can be repeated. */
export function chooseSeed(name: string): number {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
  process.stderr.write(`${name}: SEED=${seed}\n`);
  return seed;
}
