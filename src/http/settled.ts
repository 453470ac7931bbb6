import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

const pendingBySocket = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls back once, when the response has been sent or its connection is closed. The response's `close` event is not
 * enough: Node does not emit it for pipelined responses that are still queued when the connection closes.
 */
export function onResponseClosed(
  { socket }: IncomingMessage,
  response: ServerResponse,
  callback: () => void,
): void {
  if (socket.destroyed) {
    callback();
    return;
  }
  const pending = pendingOf(socket);
  const onClosed = () => {
    if (pending.delete(onClosed)) callback();
  };
  pending.add(onClosed);
  response.once('close', onClosed);
}

/** Returns the pending callbacks of a connection, which has one listener for all its requests. */
function pendingOf(socket: Socket): Set<() => void> {
  const existing = pendingBySocket.get(socket);
  if (existing) return existing;
  const pending = new Set<() => void>();
  socket.once('close', () => {
    for (const onClosed of pending) onClosed();
  });
  pendingBySocket.set(socket, pending);
  return pending;
}
