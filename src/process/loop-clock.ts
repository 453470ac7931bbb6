/** Measures a time, and how much of it the event loop was able to run timers. */
export type LoopClock = {
  elapsedMs(): number;
  /**
   * Much less than `elapsedMs` if the process was suspended or a long task blocked the event loop: timers then expire
   * before responses that have arrived are read.
   */
  responsiveMs(): number;
  stop(): void;
};

const tickMs = 50;

export function startLoopClock(): LoopClock {
  const startedAt = performance.now();
  let lastTickAt = startedAt;
  let responsive = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    responsive += Math.min(now - lastTickAt, 2 * tickMs);
    lastTickAt = now;
  }, tickMs);
  return {
    elapsedMs: () => performance.now() - startedAt,
    responsiveMs: () => responsive,
    stop: () => clearInterval(timer),
  };
}
