import { text as readAll } from 'node:stream/consumers';
import { OperatorError } from '../errors.ts';

/** Prompts at the terminal; `instead` says what to do without one. @throws OperatorError if there is none. */
export async function ask(question: string, instead: string): Promise<string> {
  requireTerminal(instead);
  return readLine({ prompt: question });
}

/**
 * Asks a yes-or-no question, unless `isConfirmed` (`--yes`).
 * @throws OperatorError with the message `otherwise` if the answer is not "yes", or if there is no terminal.
 */
export async function confirm(
  question: string,
  isConfirmed: true | undefined,
  otherwise: string,
): Promise<void> {
  if (isConfirmed) return;
  if ((await ask(`${question} (yes/no) `, 'pass --yes')) !== 'yes') throw new OperatorError(otherwise);
}

/** Prompts twice for a new password, without echo. @throws OperatorError */
export async function askPassword(instead: string): Promise<string> {
  requireTerminal(instead);
  const password = await readLine({ prompt: 'Password: ', silent: true });
  const repeated = await readLine({ prompt: 'Repeat password: ', silent: true });
  if (password !== repeated) throw new OperatorError('The passwords do not match; nothing was changed');
  return password;
}

/** Reads a secret from standard input, without the line break at its end. */
export async function readSecretInput(): Promise<string> {
  return (await readAll(process.stdin)).replace(/\r?\n$/, '');
}

/** Prompts on standard error, since standard output is for the result of the command. */
async function readLine(question: { prompt: string; silent?: true }): Promise<string> {
  const { read } = await import('read');
  try {
    const line = await read({ ...question, output: process.stderr });
    // Silent input does not echo the line break.
    if (question.silent) process.stderr.write('\n');
    return line;
  } catch {
    throw new OperatorError('Aborted; nothing was changed');
  }
}

function requireTerminal(instead: string): void {
  if (!process.stdin.isTTY) throw new OperatorError(`Not a terminal; ${instead}`);
}
