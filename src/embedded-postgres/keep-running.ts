import type { Logger } from '../log.ts';
import type { EmbeddedPostgres } from './cluster.ts';

const firstPauseMs = 1000;
const maxPauseMs = 30_000;

/**
 * Restarts an embedded PostgreSQL that has stopped. Call `check` whenever the database is unavailable. Failed attempts
 * are retried with exponential backoff. Safe for several servers that share the PostgreSQL.
 */
export function keepRunning(
  postgres: Pick<EmbeddedPostgres, 'restart'>,
  log: Logger,
): { check(): void; close(): Promise<void> } {
  const closing = new AbortController();
  let attempt: Promise<void> | undefined;
  let pauseMs = firstPauseMs;
  let notBefore = 0;

  const start = async () => {
    try {
      const failure = await postgres.restart(closing.signal);
      pauseMs = firstPauseMs;
      if (failure)
        log.warn({ reason: failure.reason }, 'restarted the embedded PostgreSQL, which had stopped');
    } catch (error) {
      if (closing.signal.aborted) return;
      log.error(
        { reason: (error as Error).message, nextAttemptInSeconds: pauseMs / 1000 },
        'failed to restart the embedded PostgreSQL',
      );
      notBefore = Date.now() + pauseMs;
      pauseMs = Math.min(pauseMs * 2, maxPauseMs);
    }
  };

  return {
    check() {
      if (closing.signal.aborted || Date.now() < notBefore) return;
      attempt ??= start().finally(() => (attempt = undefined));
    },
    async close() {
      closing.abort();
      await attempt;
    },
  };
}
