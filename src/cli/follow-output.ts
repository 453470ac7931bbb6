import { once } from 'node:events';
import { AppError } from '../errors.ts';

/** The time until the next attempt while the database is unavailable. */
export const retryMs = 1000;

/**
 * Returns the function that reads the next part of a log. It returns undefined while the database is unavailable, which
 * it reports once, and throws other errors.
 */
export function retryWhileUnavailable<T>(read: () => Promise<T>): () => Promise<T | undefined> {
  let isReported = false;
  return async () => {
    try {
      const next = await read();
      isReported = false;
      return next;
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'SERVICE_UNAVAILABLE') throw error;
      if (!isReported)
        process.stderr.write('group-api: The database is unavailable: retrying every second\n');
      isReported = true;
      return undefined;
    }
  };
}

/** Waits for a slow reader of the output, so that lines do not pile up in memory. */
export async function writeLines(lines: readonly string[], stop: AbortSignal): Promise<void> {
  if (lines.length === 0 || stop.aborted) return;
  const hasSpace = process.stdout.write(lines.map((line) => `${line}\n`).join(''));
  if (!hasSpace) await once(process.stdout, 'drain', { signal: stop }).catch(() => undefined);
}
