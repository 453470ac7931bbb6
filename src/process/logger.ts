import { pino, type DestinationStream } from 'pino';
import type { Logger } from '../log.ts';

/**
 * Creates the logger, which writes to standard error: formatted on a terminal, JSON lines otherwise. Standard output is
 * for the results of commands. JSON lines always have the id of the process; on a terminal, if `showsPid`.
 */
export async function createLogger(
  level: string,
  isTerminal: boolean,
  { showsPid = false }: { showsPid?: boolean } = {},
): Promise<Logger> {
  const standardError = 2;
  const destination = isTerminal
    ? await openPretty(standardError, showsPid)
    : (jsonLines ??= joinLines(pino.destination(standardError)));
  return pino({ level, serializers: { err: describeError } }, destination);
}

/** Shared by all loggers of the process. */
let jsonLines: DestinationStream | undefined;

/**
 * Writes the lines of one turn of the event loop at once, at its end: each write is a system call, and the responses to
 * deletes that share a statement are sent in one turn. The end of the process, also by an error, writes what is left.
 */
function joinLines(destination: DestinationStream): DestinationStream {
  let lines = '';
  const flush = () => {
    const text = lines;
    lines = '';
    if (text !== '') destination.write(text);
  };
  process.once('exit', flush);
  return {
    write(line) {
      if (lines === '') setImmediate(flush);
      lines += line;
    },
  };
}

async function openPretty(destination: number, showsPid: boolean) {
  // Loaded on demand: it takes a tenth of the start-up time.
  const { PinoPretty } = await import('pino-pretty');
  return PinoPretty({
    destination,
    ignore: showsPid ? 'hostname' : 'pid,hostname',
    translateTime: 'SYS:HH:MM:ss.l',
  });
}

/** Serializes an error with its causes, without the sockets and requests that some libraries attach. */
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack, cause, code, meta } = error as Error & { code?: unknown; meta?: unknown };
  return {
    type: name,
    message,
    stack,
    code,
    meta,
    ...(cause && depth < 4 ? { cause: describeError(cause, depth + 1) } : {}),
  };
}
