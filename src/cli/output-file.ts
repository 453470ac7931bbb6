import type { WriteStream } from 'node:fs';
import { link, lstat, open, realpath, rename, rm } from 'node:fs/promises';
import { OperatorError } from '../errors.ts';

/** A file that is there once it is whole: until then it has another name. */
export type OutputFile = {
  readonly stream: WriteStream;
  /** Gives the file its name. To be called when the stream has been written and closed. */
  finish(): Promise<void>;
  /** Leaves nothing behind. */
  discard(): Promise<void>;
  /** Puts what the file system complained about into words; other errors stay as they are. */
  explain(error: unknown): unknown;
};

/** Opens a file to be written, for its owner only. @throws OperatorError where it exists and `isReplaced` is not set. */
export async function openOutputFile(given: string, isReplaced: boolean): Promise<OutputFile> {
  if (given === '') throw new OperatorError('Give the name of a file');
  // What a link leads to is written, not the link.
  const path = await realpath(given).catch(() => given);
  const existing = await lstat(path).catch(() => undefined);
  if (existing && !existing.isFile()) throw new OperatorError(`${given} is not a file: give another name`);
  if (existing && !isReplaced) throw alreadyThere(given);

  const explain = (error: unknown) => {
    const { syscall, code, message } = error as NodeJS.ErrnoException;
    return syscall === undefined || code === 'EPIPE'
      ? error
      : new OperatorError(`${given} cannot be written: ${message}`);
  };
  const unfinished = `${path}.unfinished-${process.pid}`;
  const handle = await open(unfinished, 'wx', 0o600).catch((error: unknown) => {
    throw explain(error);
  });
  // It is on the disk before it is closed.
  const stream = handle.createWriteStream({ flush: true });
  return {
    stream,
    explain,
    async finish() {
      if (isReplaced) return rename(unfinished, path);
      // Unlike a renamed one, a link does not take the place of a file that has come meanwhile.
      await link(unfinished, path).catch((error: NodeJS.ErrnoException) => {
        throw error.code === 'EEXIST' ? alreadyThere(given) : error;
      });
      await rm(unfinished);
    },
    async discard() {
      stream.destroy();
      await rm(unfinished, { force: true });
    },
  };
}

function alreadyThere(path: string): OperatorError {
  return new OperatorError(`${path} exists: give another name, or add --force`);
}
