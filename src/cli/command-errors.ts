import { explainMissingPrivilege } from '../database/missing-privilege.ts';
import { AppError, OperatorError } from '../errors.ts';

/** How a command ends: done; refused or failed; not understood. */
export const exitCodes = { done: 0, failed: 1, notUnderstood: 2 } as const;

export const exitCodesHelp = `
Exit codes: 0 done, 1 refused or failed, 2 the command was not understood. With --json errors are JSON on standard error.`;

/** How many blockers are shown to a person. */
const maxShown = 20;

/** Writes to standard error why a command failed. What a person can put right is a line; a fault of ours shows where it came from. */
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

/** What stands in the way of each of several groups. */
function describeBlockers(blockers: unknown): string[] {
  if (!Array.isArray(blockers)) return [];
  const lines = (blockers as { id: number; code: string; message: string }[])
    .slice(0, maxShown)
    .map(({ id, code, message }) => `  group ${id}: ${message} (${code})`);
  return blockers.length > maxShown ? [...lines, `  and ${blockers.length - maxShown} more`] : lines;
}

function describeAsJson(error: unknown): string {
  if (error instanceof AppError) return writeErrorJson(error.code, error.message, error.details);
  if (error instanceof OperatorError) return writeErrorJson('COMMAND_FAILED', error.message);
  return writeErrorJson('INTERNAL_SERVER_ERROR', (error as Error).stack ?? String(error));
}
