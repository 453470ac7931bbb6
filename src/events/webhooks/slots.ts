/** Limits concurrent work. */
export type Slots = {
  /** Waits for a free slot, in the order of the calls, and returns the function that frees it. */
  acquire(): Promise<() => void>;
};

/** Creates a number of slots. */
export function createSlots(count: number): Slots {
  let free = count;
  const waiting: (() => void)[] = [];
  const release = () => {
    const next = waiting.shift();
    if (next) next();
    else free++;
  };
  return {
    async acquire() {
      if (free > 0) free--;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      return release;
    },
  };
}
