import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { App } from '../app.ts';
import type { Config } from '../config/settings.ts';
import { OperatorError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { createCounters } from './counters.ts';
import type { PrimaryMessage, ServingApp, WorkerMessage } from './messages.ts';
import { closeUnacceptedConnections } from './passed-connections.ts';

/** An app in several processes. */
type WorkersApp = App & {
  /** Resolves if a worker cannot be replaced. */
  readonly failed: Promise<OperatorError>;
};

/** The place of a worker: one process at a time. The first one does what is done once. */
type Place = {
  readonly number: number;
  failedStarts: number;
  /** Resolves when a process at this place serves; rejects if the first one does not, during the start. */
  readonly serving: Promise<ServingApp>;
  readonly resolve: (app: ServingApp) => void;
  readonly reject: (error: Error) => void;
};

/** Next to this file, with its extension. */
const workerFile = fileURLToPath(import.meta.url.replace(/primary(\.\w+)$/, 'worker$1'));
/** The pause before a worker is replaced; it doubles with each start that fails. */
const restartDelayMs = 100;
const maxFailedStarts = 5;
/** Longer than a worker waits for its requests: one whose event loop is blocked would never stop. */
const stopTimeoutMs = 15_000;

/**
 * Starts WORKERS processes that share the port, and replaces each that ends unexpectedly. Returns once all of them
 * serve. This process accepts the connections, passes them on by turns, and counts for the rate limits.
 * @throws OperatorError if the first worker cannot start; the reason of `signal` if that is aborted.
 */
export async function openWorkers(config: Config, log: Logger, signal: AbortSignal): Promise<WorkersApp> {
  const counters = createCounters();
  const workers = new Set<Worker>();
  const restarts = new Set<NodeJS.Timeout>();
  let state: 'starting' | 'serving' | 'stopping' = 'starting';
  let fail: (error: OperatorError) => void = () => undefined;
  const failed = new Promise<OperatorError>((resolve) => (fail = resolve));

  const start = (place: Place) => {
    cluster.setupPrimary({ exec: workerFile, args: [String(place.number)] });
    const worker = cluster.fork();
    closeUnacceptedConnections(worker);
    workers.add(worker);
    let isServing = false;
    let failure: string | undefined;
    worker.on('message', (message: WorkerMessage) => {
      switch (message.type) {
        case 'count':
          send(worker, { type: 'counted', id: message.id, ...counters.count(message) });
          break;
        case 'serving':
          isServing = true;
          place.failedStarts = 0;
          place.resolve(message.app);
          break;
        case 'failed':
          failure = message.text;
      }
    });
    worker.once('exit', (code: number | null, exitSignal: string | null) => {
      workers.delete(worker);
      const facts = { worker: worker.process.pid, code, signal: exitSignal };
      failure ??= `A worker ended before it served: ${exitSignal ?? `exit code ${code}`}`;
      if (state !== 'serving') place.reject(new OperatorError(failure));
      else replace(place, isServing ? facts : { ...facts, reason: failure }, failure, isServing);
    });
  };

  const replace = (place: Place, facts: object, failure: string, hasServed: boolean) => {
    if (!hasServed) place.failedStarts++;
    if (place.failedStarts === maxFailedStarts) {
      log.fatal(facts, 'a worker cannot be replaced');
      fail(new OperatorError(`A worker could not be replaced in ${maxFailedStarts} attempts. ${failure}`));
      return;
    }
    const delayMs = restartDelayMs * 2 ** place.failedStarts;
    log.error({ ...facts, restartInMilliseconds: delayMs }, 'a worker ended unexpectedly, and is replaced');
    const timer = setTimeout(() => {
      restarts.delete(timer);
      start(place);
    }, delayMs);
    restarts.add(timer);
  };

  const close = async () => {
    state = 'stopping';
    for (const timer of restarts) clearTimeout(timer);
    await Promise.all([...workers].map((worker) => stopWorker(worker, log)));
  };

  const places = Array.from({ length: config.WORKERS }, (_, index) => createPlace(index + 1));
  const [first, ...others] = places as [Place, ...Place[]];
  const aborted = new Promise<void>((resolve) =>
    signal.addEventListener('abort', () => void close().then(resolve), { once: true }),
  );
  signal.throwIfAborted();
  start(first);
  const app = await first.serving.catch(async (error: unknown) => {
    await close();
    throw signal.aborted ? signal.reason : error;
  });
  if (!signal.aborted) {
    state = 'serving';
    for (const place of others) start(place);
    await Promise.race([Promise.all(others.map(({ serving }) => serving)), failed, aborted]);
  }
  // The app is returned in any case: it may have created the key, which is shown once.
  return { ...app, failed, close };
}

function createPlace(number: number): Place {
  let resolve: Place['resolve'] = () => undefined;
  let reject: Place['reject'] = () => undefined;
  const serving = new Promise<ServingApp>((...settle) => ([resolve, reject] = settle));
  // Not everything that is rejected is awaited: a stop ends the start.
  serving.catch(() => undefined);
  return { number, failedStarts: 0, serving, resolve, reject };
}

/** Lets a worker complete its requests, and waits until it has ended. */
async function stopWorker(worker: Worker, log: Logger): Promise<void> {
  if (worker.isDead()) return;
  const ended = once(worker, 'exit');
  send(worker, { type: 'stop' });
  const timer = setTimeout(() => {
    log.warn({ worker: worker.process.pid }, 'a worker does not stop, and is killed');
    worker.process.kill('SIGKILL');
  }, stopTimeoutMs);
  await ended;
  clearTimeout(timer);
}

function send(worker: Worker, message: PrimaryMessage): void {
  // A worker that has just ended needs no message.
  if (worker.isConnected()) worker.send(message, () => undefined);
}
