import { AppError, OperatorError } from '../errors.ts';

/** The exit codes of all commands. */
export const exitCodes = { done: 0, failed: 1, usageError: 2 } as const;

export const exitCodesHelp = `
Exit codes: 0 done, 1 rejected or failed, 2 usage error. With --json, errors are JSON on standard error.`;

/** The maximum number of blockers in a text message. */
const maxBlockers = 20;

/** Writes to standard error why a command failed: an operator's error as one line, an internal error with its stack. */
export async function reportError(error: unknown, asJson: boolean): Promise<void> {
  const reason = await explain(error);
  process.stderr.write(
    asJson ? describeAsJson(reason) : describe(reason).replace(/^/gm, 'group-api: ') + '\n',
  );
}

async function explain(error: unknown): Promise<unknown> {
  if (error instanceof OperatorError || (error instanceof AppError && error.cause === undefined))
    return error;
  const { explainMissingPrivilege } = await import('../database/missing-privilege.ts');
  return explainMissingPrivilege(error);
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
