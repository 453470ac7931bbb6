import type { DestinationStream } from 'pino';

/** The destination of the lines: `write` writes later, and `flushSync` what it has not begun to write. */
type Destination = DestinationStream & { flushSync(): void };

/** Those of the process: there is one standard error. */
let writeRest: () => void = () => undefined;

/**
 * Writes the lines of one turn of the event loop at once, at its end: each write is a system call, and the responses to
 * deletes that share a statement are sent in one turn. The end of the process, also by an error, writes what is left to
 * `synchronous`, since nothing is written later then: perhaps before lines that are being written.
 */
export function joinLines(destination: Destination, synchronous: DestinationStream): DestinationStream {
  let lines = '';
  const takeLines = () => {
    const text = lines;
    lines = '';
    return text;
  };
  const flush = () => {
    const text = takeLines();
    if (text !== '') destination.write(text);
  };
  writeRest = () => {
    destination.flushSync();
    const text = takeLines();
    if (text !== '') synchronous.write(text);
  };
  process.once('exit', writeRest);
  return {
    write(line) {
      if (lines === '') setImmediate(flush);
      lines += line;
    },
  };
}

/** Writes the lines that are not written yet, before the process ends by a signal. */
export function flushLines(): void {
  writeRest();
}
