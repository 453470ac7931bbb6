import type { FaultName } from './faults.ts';

/** One fault of a rehearsal: when it began, and when all parts were running again. */
export type FaultWindow = { readonly name: FaultName; readonly start: number; readonly end: number };

/** Returns the longest time without a success, in seconds, that overlaps a fault. */
export function unavailabilityOf({ start, end }: FaultWindow, successes: readonly number[]): number {
  const times = successes.toSorted((one, other) => one - other);
  let longestMs = 0;
  for (const [index, time] of times.entries()) {
    const next = times[index + 1] ?? time;
    if (next > start && time < end) longestMs = Math.max(longestMs, next - time);
  }
  return longestMs / 1000;
}

/** Returns a table with one line for each kind of fault: how often, and the median and worst unavailability. */
export function describeFaults(windows: readonly FaultWindow[], successes: readonly number[]): string {
  const lines = [...new Set(windows.map(({ name }) => name))].map((name) => {
    const seconds = windows
      .filter((window) => window.name === name)
      .map((window) => unavailabilityOf(window, successes))
      .toSorted((one, other) => one - other);
    const median = seconds[Math.floor((seconds.length - 1) / 2)]!;
    return `${name.padEnd(28)} ${String(seconds.length).padStart(5)} ${median.toFixed(1).padStart(8)} ${seconds.at(-1)!.toFixed(1).padStart(8)}`;
  });
  return [`${'fault'.padEnd(28)} times   median    worst   (seconds without a success)`, ...lines].join('\n');
}
