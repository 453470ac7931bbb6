import { OperatorError } from '../errors.ts';
import { watchLauncher } from './launcher.ts';

/** Ctrl-C, `kill`, a terminal that is closed, Ctrl-\. */
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
/** One key stroke may arrive twice: from the terminal, and from npm or the shell, which pass it on. */
const repeatedWithinMs = 1000;

/**
 * Calls `onStop` once, with the reason, when the process is to stop: at a signal, or when the npm that started it is gone. Later
 * signals have no effect, or end the process at once if `endsAtSecond`. Returns a function that listens no longer.
 */
export function listenToStop(
  onStop: (reason: string) => void,
  { endsAtSecond = false }: { endsAtSecond?: boolean } = {},
): () => void {
  let stoppedAt: number | undefined;
  const stop = (reason: string) => {
    if (stoppedAt === undefined) {
      stoppedAt = Date.now();
      onStop(reason);
    } else if (endsAtSecond && Date.now() - stoppedAt > repeatedWithinMs) {
      end();
      process.kill(process.pid, reason);
    }
  };
  for (const name of stopSignals) process.on(name, stop);
  const unwatch = watchLauncher(() => {
    if (stoppedAt === undefined) stop('npm is gone');
  });
  const end = () => {
    unwatch();
    for (const name of stopSignals) process.off(name, stop);
  };
  return end;
}

/**
 * Carries out work that a stop signal ends in an orderly way, by `signal`: its changes are undone, its connections closed. Another
 * one, a second later or more, ends the process at once. @throws OperatorError if it was stopped.
 */
export async function stoppable<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stopping = new AbortController();
  const end = listenToStop(() => stopping.abort(), { endsAtSecond: true });
  try {
    return await work(stopping.signal);
  } catch (error) {
    throw stopping.signal.aborted ? new OperatorError('Stopped; nothing was changed') : error;
  } finally {
    end();
  }
}
