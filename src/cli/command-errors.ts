import { AppError, OperatorError } from '../errors.ts';

/** The exit codes of all commands. */
export const exitCodes = { done: 0, failed: 1, usageError: 2 } as const;

export const exitCodesHelp = `
Exit codes: 0 done, 1 rejected or failed, 2 usage error. With --json, errors are JSON on standard error.`;

/** The maximum number of blockers in a text message. */
const maxBlockers = 20;

/** Why one group cannot be changed. */
type Blocker = {
  readonly id: number;
  readonly name?: string;
  readonly code: string;
  readonly message: string;
  readonly subscriberCount?: number;
  readonly help?: string;
};

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
    const { blockers, usernames, help } = error.details;
    return [
      `${error.message} (${error.code})`,
      ...(Array.isArray(blockers) ? describeBlockers(blockers as Blocker[]) : []),
      ...(Array.isArray(usernames) ? [`  for example: ${usernames.join(', ')}`] : []),
      ...(typeof help === 'string' ? [`  to continue: ${help}`] : []),
    ].join('\n');
  }
  return error instanceof OperatorError ? error.message : ((error as Error).stack ?? String(error));
}

/** Describes why groups cannot be changed, one line per reason, and what would help. */
function describeBlockers(blockers: readonly Blocker[]): string[] {
  const lines = blockers.slice(0, maxBlockers).map(({ id, name, code, message, subscriberCount, help }) => {
    const subject = name === undefined ? `group ${id}` : `group ${id} ${name}`;
    const count = subscriberCount === undefined ? '' : `: ${subscriberCount} active`;
    return `  ${subject}: ${message}${count} (${code})${help === undefined ? '' : `; to continue: ${help}`}`;
  });
  return blockers.length > maxBlockers ? [...lines, `  and ${blockers.length - maxBlockers} more`] : lines;
}

function describeAsJson(error: unknown): string {
  if (error instanceof AppError) return writeErrorJson(error.code, error.message, error.details);
  if (error instanceof OperatorError) return writeErrorJson('COMMAND_FAILED', error.message);
  return writeErrorJson('INTERNAL_SERVER_ERROR', (error as Error).stack ?? String(error));
}
