import { pino, type Logger } from 'pino';

export type { Logger };

/**
 * Opens the log, which goes to standard error: pretty on a terminal, JSON lines elsewhere. Standard output is left to
 * what a person asked to see.
 */
export async function createLogger(level: string, isTerminal: boolean): Promise<Logger> {
  const standardError = 2;
  const destination = isTerminal ? await openPretty(standardError) : pino.destination(standardError);
  return pino({ level, serializers: { err: describeError } }, destination);
}

async function openPretty(destination: number) {
  // Loaded only where it is used: it is a tenth of the time of a start.
  const { PinoPretty } = await import('pino-pretty');
  return PinoPretty({ destination, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' });
}

/** Tells of an error what helps to find it, and of its causes; not the connections and requests that libraries hang on it. */
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
