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
  /** The replies by their responses: the listener of all of them is one function. */
  const inFlight = new Map<ServerResponse, FastifyReply>();
  const closing = new AbortController();
  // One listener for each response that stays open.
  setMaxListeners(0, closing.signal);
  http.decorate('closing', closing.signal);
  let onIdle = () => {};
  const remove = (response: ServerResponse) => {
    const reply = inFlight.get(response);
    inFlight.delete(response);
    if (reply) onClosed(reply.request, reply);
    if (inFlight.size === 0) onIdle();
  };

  http.addHook('onRequest', (request, reply, done) => {
    const { raw: response } = reply;
    inFlight.set(response, reply);
    if (closing.signal.aborted) closeAfter(response);
    onResponseClosed(request.raw, response, remove);
    done();
  });
  http.addHook('preClose', async () => {
    closing.abort();
    stopListening(http.server);
    for (const response of inFlight.keys()) closeAfter(response);
    const idle = new Promise<void>((resolve) => (onIdle = resolve));
    if (inFlight.size > 0) await Promise.race([idle, sleep(closeTimeoutMs, undefined, { ref: false })]);
    http.server.closeAllConnections();
  });
}

/** Announces that the connection is closed after a response, unless its headers are sent already. */
function closeAfter(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close');
}

type OnClosed = (response: ServerResponse) => void;

/** The callbacks of the open responses of each connection. */
const openResponses = new WeakMap<Socket, Map<ServerResponse, OnClosed[]>>();

/**
 * Calls back once, when the response has been sent or its connection is closed. The response's `close` event is not
 * enough: Node does not emit it for pipelined responses that are still queued when the connection closes.
 */
export function onResponseClosed(
  { socket }: IncomingMessage,
  response: ServerResponse,
  callback: OnClosed,
): void {
  if (socket.destroyed) {
    callback(response);
    return;
  }
  const responses = openResponsesOf(socket);
  const callbacks = responses.get(response);
  if (callbacks) callbacks.push(callback);
  else {
    responses.set(response, [callback]);
    response.on('close', callBack);
  }
}

function callBack(this: ServerResponse): void {
  const responses = openResponses.get(this.req.socket);
  const callbacks = responses?.get(this) ?? [];
  responses?.delete(this);
  for (const callback of callbacks) callback(this);
}

/** Returns the open responses of a connection, which has one listener for all of them. */
function openResponsesOf(socket: Socket): Map<ServerResponse, OnClosed[]> {
  const existing = openResponses.get(socket);
  if (existing) return existing;
  const responses = new Map<ServerResponse, OnClosed[]>();
  socket.once('close', () => {
    for (const response of responses.keys()) callBack.call(response);
  });
  openResponses.set(socket, responses);
  return responses;
}
