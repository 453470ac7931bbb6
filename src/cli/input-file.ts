import { createReadStream } from 'node:fs';
import { access, constants, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { OperatorError } from '../errors.ts';

/** Opens the input of a command for reading; "-" is standard input. */
export function openInputFile(file: string): Readable {
  return file === '-' ? process.stdin : createReadStream(file);
}

/** @throws OperatorError if the file cannot be read, or standard input is a terminal. */
export async function requireReadable(file: string): Promise<void> {
  if (file === '-') {
    if (process.stdin.isTTY)
      throw new OperatorError('Standard input is a terminal: pass a file, or pipe one to the command');
    return;
  }
  try {
    await access(file, constants.R_OK);
    if ((await stat(file)).isDirectory()) throw new Error('is a folder');
  } catch (error) {
    throw new OperatorError(`Cannot read ${file}: ${(error as Error).message}`);
  }
}
