import { setMaxListeners } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { stopListening } from '../listen.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Aborted when the server begins to close: responses that stay open end. */
    readonly closing: AbortSignal;
  }
}

/** How long in-flight requests may take when the server closes: less than the 10 s that Docker waits. */
const closeTimeoutMs = 8000;

/**
 * Graceful shutdown: `close()` waits for in-flight requests up to the time-out before it closes connections, and
 * responses have `Connection: close`. Node's own `close()` cuts responses that are not read yet, and waits forever for
 * incomplete requests. `onClosed` is called for each request once its response was sent, or its connection is closed.
 */
export function drainOnClose(
  http: FastifyInstance,
  onClosed: (request: FastifyRequest, reply: FastifyReply) => void,
): void {
  const inFlight = new Set<ServerResponse>();
  const closing = new AbortController();
  // One listener for each response that stays open.
  setMaxListeners(0, closing.signal);
  http.decorate('closing', closing.signal);
  let onIdle = () => {};

  http.addHook('onRequest', (request, reply, done) => {
    const { raw: response } = reply;
    inFlight.add(response);
    if (closing.signal.aborted) closeAfter(response);
    onResponseClosed(request.raw, response, () => {
      inFlight.delete(response);
      onClosed(request, reply);
      if (inFlight.size === 0) onIdle();
    });
    done();
  });
  http.addHook('preClose', async () => {
    closing.abort();
    stopListening(http.server);
    for (const response of inFlight) closeAfter(response);
    const idle = new Promise<void>((resolve) => (onIdle = resolve));
    if (inFlight.size > 0) await Promise.race([idle, sleep(closeTimeoutMs, undefined, { ref: false })]);
    http.server.closeAllConnections();
  });
}

/** Announces that the connection is closed after a response, unless its headers are sent already. */
function closeAfter(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close');
}

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
