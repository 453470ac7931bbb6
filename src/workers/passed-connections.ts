import type { Worker } from 'node:cluster';

/** A connection that the cluster module passes to a worker, and closes in this process once the worker has it. */
type PassedHandle = { close(callback?: () => void): void };

/**
 * Closes the connections that a worker has been passed and not accepted: when it ends, or when it declines one while
 * `isStopping` and no other worker takes it. The cluster module forgets them, so that their clients would wait until
 * they time out, or until this process ends. Returns a function to call with each new worker.
 * @see lib/internal/cluster/round_robin_handle.js in Node
 */
export function createUnacceptedConnections(isStopping: () => boolean): (worker: Worker) => void {
  /** The worker to which each connection was passed last: one that stops declines a connection. */
  const holders = new Map<PassedHandle, Worker>();

  const assign = (handle: PassedHandle, worker: Worker) => {
    const isKnown = holders.has(handle);
    holders.set(handle, worker);
    if (isKnown) return;
    const close = handle.close.bind(handle);
    handle.close = (callback) => {
      holders.delete(handle);
      close(callback);
    };
  };

  return (worker) => {
    const channel = worker.process as unknown as {
      send(message: unknown, handle?: PassedHandle | (() => void) | null, ...rest: unknown[]): boolean;
    };
    const send = channel.send.bind(channel);
    channel.send = (message, handle, ...rest) => {
      // Without a connection, the second argument is null or the callback.
      if (handle !== null && typeof handle === 'object') assign(handle, worker);
      return send(message, handle, ...rest);
    };
    const closeAll = () => {
      for (const [handle, holder] of holders) if (holder === worker) handle.close();
    };
    worker.once('exit', closeAll);
    // The cluster module has handled the message before: another worker that is free has the connection now.
    worker.process.on('internalMessage', ({ accepted }: { accepted?: boolean }) => {
      if (accepted === false && isStopping()) closeAll();
    });
  };
}
