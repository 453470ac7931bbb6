import { AppError } from '../errors.ts';
import type { Logger } from '../log.ts';

/**
 * Logs an error of background work, which is repeated; `failure` says what has failed. The connection watchdog logs an
 * unavailable database.
 */
export function logFailure(log: Logger, failure: string, error: unknown): void {
  if (!(error instanceof AppError)) log.error({ err: error }, `${failure}, and is retried`);
}
