import { text as readAll } from 'node:stream/consumers';
import { read } from 'read';
import { OperatorError } from '../errors.ts';

/** Asks the person at the terminal; `instead` says what to do where there is none. @throws OperatorError */
export async function ask(question: string, instead: string): Promise<string> {
  requireTerminal(instead);
  return readLine({ prompt: question });
}

/** Asks for a new password twice, without showing it. @throws OperatorError */
export async function askPassword(instead: string): Promise<string> {
  requireTerminal(instead);
  const password = await readLine({ prompt: 'Password: ', silent: true });
  const again = await readLine({ prompt: 'The same again: ', silent: true });
  if (password !== again) throw new OperatorError('The two passwords differ; nothing was changed');
  return password;
}

/** Reads a secret that a program writes to our standard input; a line break at its end does not belong to it. */
export async function readSecretInput(): Promise<string> {
  return (await readAll(process.stdin)).replace(/\r?\n$/, '');
}

/** Standard output is left to what was asked for. */
async function readLine(question: { prompt: string; silent?: true }): Promise<string> {
  try {
    const line = await read({ ...question, output: process.stderr });
    // What is not shown does not end its line either.
    if (question.silent) process.stderr.write('\n');
    return line;
  } catch {
    throw new OperatorError('Stopped; nothing was changed');
  }
}

function requireTerminal(instead: string): void {
  if (!process.stdin.isTTY) throw new OperatorError(`There is no terminal to ask at: ${instead}`);
}
