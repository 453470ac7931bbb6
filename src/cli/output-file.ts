import type { WriteStream } from 'node:fs';
import { link, lstat, open, realpath, rename, rm } from 'node:fs/promises';
import { OperatorError } from '../errors.ts';

/** A file that appears under its name only when it is complete; until then it has a temporary name. */
type OutputFile = {
  readonly stream: WriteStream;
  /** Renames the file to its final name. Call it after the stream was closed. */
  finish(): Promise<void>;
  /** Removes the incomplete file. */
  discard(): Promise<void>;
  /** Converts an error of the file system to an OperatorError; returns other errors unchanged. */
  explain(error: unknown): unknown;
};

/** Creates a file that only its owner may read. @throws OperatorError if it exists and `isReplaced` is not set. */
export async function openOutputFile(name: string, isReplaced: boolean): Promise<OutputFile> {
  if (name === '') throw new OperatorError('The name of the file is empty');
  // Replace the target of a symbolic link, not the link.
  const path = await realpath(name).catch(() => name);
  const existing = await lstat(path).catch(() => undefined);
  if (existing && !existing.isFile())
    throw new OperatorError(`${name} is not a regular file: choose another name`);
  if (existing && !isReplaced) throw alreadyExists(name);

  const explain = (error: unknown) => {
    const { syscall, code, message } = error as NodeJS.ErrnoException;
    return syscall === undefined || code === 'EPIPE'
      ? error
      : new OperatorError(`Cannot write ${name}: ${message}`);
  };
  const unfinished = `${path}.unfinished-${process.pid}`;
  const handle = await open(unfinished, 'wx', 0o600).catch((error: unknown) => {
    throw explain(error);
  });
  // `flush` calls fsync before the file is closed.
  const stream = handle.createWriteStream({ flush: true });
  return {
    stream,
    explain,
    async finish() {
      if (isReplaced) return rename(unfinished, path);
      // Unlike `rename`, `link` does not replace a file that was created in the meantime.
      await link(unfinished, path).catch((error: NodeJS.ErrnoException) => {
        throw error.code === 'EEXIST' ? alreadyExists(name) : error;
      });
      await rm(unfinished);
    },
    async discard() {
      stream.destroy();
      await rm(unfinished, { force: true });
    },
  };
}

function alreadyExists(name: string): OperatorError {
  return new OperatorError(`${name} already exists: choose another name, or pass --force`);
}
