import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { stopListening } from '../listen.ts';
import { onResponseClosed } from '../settled.ts';

/** How long the requests in flight have to be answered when the server closes: less than the 10 s that Docker waits. */
const closeTimeoutMs = 8000;

/**
 * Has `close()` answer the requests in flight before it cuts connections, for as long as it may take; clients are told not
 * to send another request on theirs. Node's own way cuts answers that are not read yet, and waits for ever for requests
 * that stop half-way.
 */
export function drainOnClose(http: FastifyInstance): void {
  let inFlight = 0;
  let isClosing = false;
  let announceIdle = () => {};

  http.addHook('onRequest', (request, reply, done) => {
    inFlight++;
    onResponseClosed(request.raw, reply.raw, () => {
      inFlight--;
      if (inFlight === 0) announceIdle();
    });
    done();
  });
  http.addHook('onSend', (_request, reply, _payload, done) => {
    if (isClosing) reply.header('Connection', 'close');
    done();
  });
  http.addHook('preClose', async () => {
    isClosing = true;
    stopListening(http.server);
    const idle = new Promise<void>((resolve) => (announceIdle = resolve));
    if (inFlight > 0) await Promise.race([idle, sleep(closeTimeoutMs, undefined, { ref: false })]);
    http.server.closeAllConnections();
  });
}
