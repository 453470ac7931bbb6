import { pino, type DestinationStream } from 'pino';
import type { Logger } from '../log.ts';
import { joinLines } from './joined-lines.ts';

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
    : (jsonLines ??= joinLines(
        pino.destination(standardError),
        pino.destination({ dest: standardError, sync: true }),
      ));
  return pino({ level, serializers: { err: describeError } }, destination);
}

/** Shared by all loggers of the process. */
let jsonLines: DestinationStream | undefined;

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
