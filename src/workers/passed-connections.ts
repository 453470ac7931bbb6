import type { Worker } from 'node:cluster';

/** A connection that the cluster module passes to a worker, and closes in this process once the worker has it. */
type PassedHandle = { close(callback?: () => void): void };

/**
 * Closes the connections that a worker has been passed and not yet accepted when it ends. The cluster module forgets
 * them, so that their clients would wait until they time out. @see lib/internal/cluster/round_robin_handle.js in Node
 */
export function closeUnacceptedConnections(worker: Worker): void {
  const passed = new Set<PassedHandle>();
  const channel = worker.process as unknown as {
    send(message: unknown, handle?: PassedHandle | (() => void) | null, ...rest: unknown[]): boolean;
  };
  const send = channel.send.bind(channel);
  channel.send = (message, handle, ...rest) => {
    // Without a connection, the second argument is null or the callback.
    if (handle !== null && typeof handle === 'object') track(handle);
    return send(message, handle, ...rest);
  };
  const track = (handle: PassedHandle) => {
    const close = handle.close.bind(handle);
    passed.add(handle);
    handle.close = (callback) => {
      passed.delete(handle);
      close(callback);
    };
  };
  worker.once('exit', () => {
    for (const handle of passed) handle.close();
  });
}
