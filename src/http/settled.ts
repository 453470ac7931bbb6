import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

const pendingBySocket = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls back once, when a request has been answered or its connection is gone. The response alone does not tell: of those
 * that wait behind others on one connection, Node forgets the `close` when that connection goes.
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
  const settle = () => {
    if (pending.delete(settle)) callback();
  };
  pending.add(settle);
  response.once('close', settle);
}

/** One listener a connection, however many requests it brings. */
function pendingOf(socket: Socket): Set<() => void> {
  const known = pendingBySocket.get(socket);
  if (known) return known;
  const pending = new Set<() => void>();
  socket.once('close', () => {
    for (const settle of pending) settle();
  });
  pendingBySocket.set(socket, pending);
  return pending;
}
