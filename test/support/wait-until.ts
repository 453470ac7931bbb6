import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until a condition is true. Rejects if it is not within `timeoutMs`, which is long enough for a busy machine. */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  { timeoutMs = 60_000 }: { timeoutMs?: number } = {},
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`The condition is not true after ${timeoutMs} ms`);
    await sleep(20);
  }
}
