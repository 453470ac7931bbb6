import { OperatorError, OutcomeUnknownError } from '../errors.ts';
import { flushLines } from './joined-lines.ts';
import { watchLauncher } from './launcher.ts';

/** Sent by Ctrl-C, `kill`, a closed terminal and Ctrl-\. */
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
/** A key stroke may arrive twice: from the terminal, and from npm or the shell, which forward it. */
const duplicateSignalMs = 1000;

/**
 * Calls `onStop` once, with the reason, when the process should stop: on a signal, or when the npm that started it has
 * ended. Signals at least a second later call `onRepeat`, or end the process immediately if `endsAtSecond`. Returns a
 * function that removes the listeners.
 */
export function listenToStop(
  onStop: (reason: string) => void,
  { endsAtSecond = false, onRepeat }: { endsAtSecond?: boolean; onRepeat?: () => void } = {},
): () => void {
  let stoppedAt: number | undefined;
  const stop = (reason: string) => {
    if (stoppedAt === undefined) {
      stoppedAt = Date.now();
      onStop(reason);
    } else if (Date.now() - stoppedAt > duplicateSignalMs) {
      onRepeat?.();
      if (!endsAtSecond) return;
      end();
      flushLines();
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
 * Runs work that a stop signal aborts by `signal`: its changes are rolled back, its connections closed. A second stop
 * signal, at least a second later, ends the process immediately. @throws OperatorError if the work was aborted;
 * OutcomeUnknownError if a change may have been made nevertheless.
 */
export async function withAbortSignal<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const end = listenToStop(() => controller.abort(), { endsAtSecond: true });
  try {
    return await work(controller.signal);
  } catch (error) {
    if (!controller.signal.aborted || error instanceof OutcomeUnknownError) throw error;
    throw new OperatorError('Aborted; nothing was changed');
  } finally {
    end();
  }
}
