import type { WriteStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { StartError } from '../errors.ts';

/** A file that is there once it is whole: until then it has another name. */
export type OutputFile = {
  readonly stream: WriteStream;
  /** Gives the file its name. To be called when the stream has been written and closed. */
  finish(): Promise<void>;
  /** Leaves nothing behind. */
  discard(): Promise<void>;
};

/** Opens a file to be written, for its owner only. @throws StartError where it exists and `isReplaced` is not set. */
export async function openOutputFile(path: string, isReplaced: boolean): Promise<OutputFile> {
  const existing = await stat(path).catch(() => undefined);
  if (existing && !existing.isFile()) throw new StartError(`${path} is not a file: give another name`);
  if (existing && !isReplaced) throw new StartError(`${path} exists: give another name, or add --force`);

  const unfinished = `${path}.unfinished-${process.pid}`;
  const handle = await open(unfinished, 'wx', 0o600).catch((error: Error) => {
    throw new StartError(`${path} cannot be written: ${error.message}`);
  });
  // It is on the disk before it is closed.
  const stream = handle.createWriteStream({ flush: true });
  return {
    stream,
    async finish() {
      await rename(unfinished, path);
    },
    async discard() {
      stream.destroy();
      await rm(unfinished, { force: true });
    },
  };
}
