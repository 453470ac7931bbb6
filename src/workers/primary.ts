import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { App } from '../app.ts';
import type { Config } from '../config/settings.ts';
import { OperatorError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { createCounters } from './counters.ts';
import { replacementArgument, type PrimaryMessage, type ServingApp, type WorkerMessage } from './messages.ts';
import { createUnacceptedConnections } from './passed-connections.ts';

/** An app in several processes. */
type WorkersApp = App & {
  /** Resolves if the workers cannot serve: one of them during the start, or all of them later. */
  readonly failed: Promise<OperatorError>;
  /** The reason if `failed` had resolved before the start was complete. */
  readonly failure: OperatorError | undefined;
};

/** A slot for a worker: one process at a time. The first one does what is done once. */
type Slot = {
  readonly number: number;
  hasServed: boolean;
  failedStarts: number;
  /** Resolves when a process in this slot serves; rejects if the first one does not, during the start. */
  readonly serving: Promise<ServingApp>;
  readonly resolve: (app: ServingApp) => void;
  readonly reject: (error: Error) => void;
};

/** Next to this file, with its extension. */
const workerFile = fileURLToPath(import.meta.url.replace(/primary(\.\w+)$/, 'worker$1'));
/** The pause before a worker is replaced; it doubles with each start that fails, up to the maximum. */
const restartDelayMs = 100;
const maxRestartDelayMs = 30_000;
/** Fewer may be due to a database that is unavailable for some seconds. */
const maxFailedStarts = 5;
/**
 * The time that a worker has after SHUTDOWN_DELAY_SECONDS: longer than the 8 s for which it waits for its requests,
 * shorter than the 10 s after which Docker kills all processes. If its event loop is blocked, it would never stop.
 */
const stopTimeoutMs = 9000;

/**
 * Starts WORKERS processes that share the port, and replaces each that ends unexpectedly, for as long as another one
 * serves. Returns once all of them serve. This process accepts the connections, passes them on round-robin, and counts
 * for the rate limits.
 * @throws OperatorError if the first worker cannot start; the reason of `signal` if that is aborted.
 */
export async function openWorkers(config: Config, log: Logger, signal: AbortSignal): Promise<WorkersApp> {
  const counters = createCounters();
  const metrics =
    config.METRICS_PORT === undefined
      ? undefined
      : await (await import('./metrics.ts')).openWorkerMetrics(config, log);
  const workers = new Set<Worker>();
  const servingWorkers = new Set<Worker>();
  const restarts = new Set<NodeJS.Timeout>();
  let state: 'starting' | 'serving' | 'stopping' = 'starting';
  const closeUnacceptedConnections = createUnacceptedConnections(() => state === 'stopping');
  let haveAllServed = false;
  let failure: OperatorError | undefined;
  let fail: (error: OperatorError) => void = () => undefined;
  const failed = new Promise<OperatorError>((resolve) => (fail = resolve));

  const start = (slot: Slot) => {
    const args = [String(slot.number), ...(slot.hasServed ? [replacementArgument] : [])];
    cluster.setupPrimary({ exec: workerFile, args });
    let worker: Worker;
    try {
      worker = cluster.fork();
    } catch (error) {
      handleEnd(slot, {}, describeForkError(error), false);
      return;
    }
    worker.on('error', (error) => {
      // A message that could not be sent is reported as an error, too: that worker ends by itself.
      if (worker.process.pid !== undefined) return;
      delete cluster.workers?.[worker.id];
      handleEnd(slot, {}, describeForkError(error), false);
    });
    // A process that the system could not create has neither a channel nor an exit.
    if (worker.process.pid === undefined) return;
    closeUnacceptedConnections(worker);
    workers.add(worker);
    let reason: string | undefined;
    worker.on('message', (message: WorkerMessage) => {
      switch (message.type) {
        case 'count':
          send(worker, { type: 'counted', id: message.id, ...counters.count(message) });
          break;
        case 'metrics':
          metrics?.receive(worker, message.snapshot);
          break;
        case 'serving':
          servingWorkers.add(worker);
          metrics?.add(worker, () => send(worker, { type: 'read-metrics' }));
          if (slot.hasServed) log.info({ worker: worker.process.pid }, 'a replaced worker serves');
          slot.hasServed = true;
          slot.failedStarts = 0;
          slot.resolve(message.app);
          break;
        case 'failed':
          reason = message.text;
      }
    });
    worker.once('exit', (code: number | null, exitSignal: string | null) => {
      workers.delete(worker);
      metrics?.remove(worker);
      const hasServed = servingWorkers.delete(worker);
      reason ??= `A worker ended before it served: ${exitSignal ?? `exit code ${code}`}`;
      handleEnd(slot, { worker: worker.process.pid, code, signal: exitSignal }, reason, hasServed);
    });
  };

  const handleEnd = (slot: Slot, facts: object, reason: string, hasServed: boolean) => {
    if (state !== 'serving') slot.reject(new OperatorError(reason));
    else replace(slot, hasServed ? facts : { ...facts, reason }, reason, hasServed);
  };

  const replace = (slot: Slot, facts: object, reason: string, hasServed: boolean) => {
    if (hasServed) metrics?.countRestart();
    if (!hasServed) slot.failedStarts++;
    const hasFailed = ({ failedStarts }: Slot) => failedStarts >= maxFailedStarts;
    if (haveAllServed ? servingWorkers.size === 0 && slots.every(hasFailed) : hasFailed(slot)) {
      log.fatal(facts, 'a worker cannot be replaced');
      failure = new OperatorError(`A worker could not be replaced in ${maxFailedStarts} attempts. ${reason}`);
      fail(failure);
      return;
    }
    const delayMs = Math.min(restartDelayMs * 2 ** slot.failedStarts, maxRestartDelayMs);
    log.error({ ...facts, restartInMilliseconds: delayMs }, 'a worker ended unexpectedly, and is replaced');
    const timer = setTimeout(() => {
      restarts.delete(timer);
      start(slot);
    }, delayMs);
    restarts.add(timer);
  };

  const delay = new AbortController();
  const endDelay = () => {
    delay.abort();
    for (const worker of workers) send(worker, { type: 'hurry' });
  };
  let stopped: Promise<unknown> | undefined;
  const stopAll = () => {
    state = 'stopping';
    for (const timer of restarts) clearTimeout(timer);
    const { signal: hurried } = delay;
    // One for all workers: each would be a listener of the signal.
    const delayed = sleep(config.SHUTDOWN_DELAY_SECONDS * 1000, undefined, { signal: hurried }).catch(
      () => undefined,
    );
    return Promise.all([...workers].map((worker) => stopWorker(worker, delayed, log))).then(() => {
      delay.abort();
      return metrics?.close();
    });
  };
  /** Called by a signal during the start, and at the end: then with the signal that ends the delay. */
  const close = async (hurry?: AbortSignal) => {
    hurry?.addEventListener('abort', endDelay);
    if (hurry?.aborted) endDelay();
    await (stopped ??= stopAll());
  };

  const slots = Array.from({ length: config.WORKERS }, (_, index) => createSlot(index + 1));
  const [first, ...others] = slots as [Slot, ...Slot[]];
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
    for (const slot of others) start(slot);
    const allServe = Promise.all(others.map(({ serving }) => serving)).then(() => (haveAllServed = true));
    await Promise.race([allServe, failed, aborted]);
  }
  // The app is returned in any case: it may have created the key, which is shown once.
  return { ...app, failed, failure, close };
}

function createSlot(number: number): Slot {
  let resolve: Slot['resolve'] = () => undefined;
  let reject: Slot['reject'] = () => undefined;
  const serving = new Promise<ServingApp>((...settle) => ([resolve, reject] = settle));
  // Not everything that is rejected is awaited: a stop ends the start.
  serving.catch(() => undefined);
  return { number, hasServed: false, failedStarts: 0, serving, resolve, reject };
}

function describeForkError(error: unknown): string {
  return `A worker process could not be created: ${(error as Error).message}`;
}

/** Lets a worker complete its requests after `delayed`, and waits until it has ended. */
async function stopWorker(worker: Worker, delayed: Promise<void>, log: Logger): Promise<void> {
  if (worker.isDead()) return;
  const ended = once(worker, 'exit');
  send(worker, { type: 'stop' });
  await Promise.race([ended, delayed]);
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
