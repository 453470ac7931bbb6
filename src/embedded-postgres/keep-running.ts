import type { Logger } from '../log.ts';
import type { EmbeddedPostgres } from './cluster.ts';

const firstPauseMs = 1000;
const longestPauseMs = 30_000;

/**
 * Starts an embedded PostgreSQL again that has ended, for as long as the server runs: at `look`, which is called whenever the
 * database does not answer. After a failure it pauses, for longer after each. Several servers may do so side by side.
 */
export function keepRunning(
  postgres: Pick<EmbeddedPostgres, 'startAgain'>,
  log: Logger,
): { look(): void; close(): Promise<void> } {
  const closing = new AbortController();
  let attempt: Promise<void> | undefined;
  let pauseMs = firstPauseMs;
  let notBefore = 0;

  const start = async () => {
    try {
      const ended = await postgres.startAgain(closing.signal);
      pauseMs = firstPauseMs;
      if (ended)
        log.warn({ reason: ended.reason }, 'the embedded PostgreSQL had ended, and was started again');
    } catch (error) {
      if (closing.signal.aborted) return;
      log.error(
        { reason: (error as Error).message, nextAttemptInSeconds: pauseMs / 1000 },
        'the embedded PostgreSQL could not be started again',
      );
      notBefore = Date.now() + pauseMs;
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    }
  };

  return {
    look() {
      if (closing.signal.aborted || Date.now() < notBefore) return;
      attempt ??= start().finally(() => (attempt = undefined));
    },
    async close() {
      closing.abort();
      await attempt;
    },
  };
}
