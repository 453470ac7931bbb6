import { explainMissingPrivilege } from '../database/missing-privilege.ts';
import { AppError, OperatorError } from '../errors.ts';

/** The exit codes of all commands. */
export const exitCodes = { done: 0, failed: 1, usageError: 2 } as const;

export const exitCodesHelp = `
Exit codes: 0 done, 1 rejected or failed, 2 usage error. With --json, errors are JSON on standard error.`;

/** The maximum number of blockers in a text message. */
const maxBlockers = 20;

/**
 * Writes an error to standard error: as one line if the operator can fix it, with its stack if it is an internal
 * error.
 */
export function reportError(error: unknown, asJson: boolean): void {
  const reason = explainMissingPrivilege(error);
  process.stderr.write(
    asJson ? describeAsJson(reason) : describe(reason).replace(/^/gm, 'group-api: ') + '\n',
  );
}

export function writeErrorJson(code: string, message: string, details: object = {}): string {
  return JSON.stringify({ error: { ...details, code, message } }) + '\n';
}

function describe(error: unknown): string {
  if (error instanceof AppError) {
    return [`${error.message} (${error.code})`, ...describeBlockers(error.details['blockers'])].join('\n');
  }
  return error instanceof OperatorError ? error.message : ((error as Error).stack ?? String(error));
}

/** Describes why groups cannot be deleted, one line per group. */
function describeBlockers(blockers: unknown): string[] {
  if (!Array.isArray(blockers)) return [];
  const lines = (blockers as { id: number; code: string; message: string }[])
    .slice(0, maxBlockers)
    .map(({ id, code, message }) => `  group ${id}: ${message} (${code})`);
  return blockers.length > maxBlockers ? [...lines, `  and ${blockers.length - maxBlockers} more`] : lines;
}

function describeAsJson(error: unknown): string {
  if (error instanceof AppError) return writeErrorJson(error.code, error.message, error.details);
  if (error instanceof OperatorError) return writeErrorJson('COMMAND_FAILED', error.message);
  return writeErrorJson('INTERNAL_SERVER_ERROR', (error as Error).stack ?? String(error));
}
