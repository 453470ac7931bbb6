/** Limits concurrent work. */
export type Slots = {
  /**
   * Waits for a free slot, in the order of the calls, and returns the function that frees it. Work that is expected to
   * take long (`isSlow`) shares a part of the slots.
   */
  acquire(isSlow: boolean): Promise<() => void>;
};

/** Creates a number of slots, of which slow work occupies up to `slowCount`. */
export function createSlots(count: number, slowCount: number): Slots {
  const acquire = createSemaphore(count);
  const acquireSlow = createSemaphore(slowCount);
  return {
    async acquire(isSlow) {
      if (!isSlow) return acquire();
      const releaseSlow = await acquireSlow();
      const release = await acquire();
      return () => {
        release();
        releaseSlow();
      };
    },
  };
}

function createSemaphore(count: number): () => Promise<() => void> {
  let free = count;
  const waiting: (() => void)[] = [];
  const release = () => {
    const next = waiting.shift();
    if (next) next();
    else free++;
  };
  return async () => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    return release;
  };
}
