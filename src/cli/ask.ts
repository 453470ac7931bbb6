import { text as readAll } from 'node:stream/consumers';
import { read } from 'read';
import { StartError } from '../errors.ts';

/** Asks the person at the terminal; `instead` says what to do where there is none. @throws StartError */
export async function ask(question: string, instead: string): Promise<string> {
  requireTerminal(instead);
  return read({ prompt: question, output: process.stderr });
}

/** Asks for a new password twice, without showing it. @throws StartError */
export async function askPassword(instead: string): Promise<string> {
  requireTerminal(instead);
  const options = { silent: true, output: process.stderr };
  const password = await read({ ...options, prompt: 'Password: ' });
  const again = await read({ ...options, prompt: 'The same again: ' });
  if (password !== again) throw new StartError('The two passwords differ; nothing was changed');
  return password;
}

/** Reads a secret that a program writes to our standard input; a line break at its end does not belong to it. */
export async function readSecretInput(): Promise<string> {
  return (await readAll(process.stdin)).replace(/\r?\n$/, '');
}

function requireTerminal(instead: string): void {
  if (!process.stdin.isTTY) throw new StartError(`There is no terminal to ask at: ${instead}`);
}
