import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until a condition holds. Rejects if it does not within `timeoutMs`, which is long enough for a busy machine. */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  { timeoutMs = 20_000 }: { timeoutMs?: number } = {},
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`The condition does not hold after ${timeoutMs} ms`);
    await sleep(20);
  }
}
