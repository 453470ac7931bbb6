import { StartError } from '../errors.ts';

/**
 * Carries work out that Ctrl-C or SIGTERM stops in an orderly way, by `signal`: what it holds is undone and closed. A second one
 * ends the process at once. @throws StartError where it was stopped.
 */
export async function stoppable<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  const names = ['SIGINT', 'SIGTERM'] as const;
  for (const name of names) process.once(name, stop);
  try {
    return await work(stopping.signal);
  } catch (error) {
    throw stopping.signal.aborted ? new StartError('Stopped; nothing was changed') : error;
  } finally {
    for (const name of names) process.off(name, stop);
  }
}
