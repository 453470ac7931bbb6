import { once } from 'node:events';
import type { Server } from 'node:http';
import { createServer, Server as TcpServer, type AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';

type ListenSettings = {
  readonly host: string;
  readonly port: number;
  /** The maximum number of connections that wait to be accepted. */
  readonly backlog: number;
};

const loopback = { v4: '127.0.0.1', v6: '::1' } as const;
/** A free port of one loopback address may be in use on the other one. */
const maxPortTries = 10;
/** Codes of `listen` if the machine does not have the address. */
const missingAddressCodes = ['EADDRNOTAVAIL', 'EAFNOSUPPORT'];

/**
 * Listens. The host `localhost` means both loopback addresses with the same port, if the machine has both: some clients
 * try only one of them.
 * @throws the error of `listen`
 */
export async function listen(http: FastifyInstance, { host, port, backlog }: ListenSettings): Promise<void> {
  if (host.toLowerCase() !== 'localhost') {
    await http.listen({ host, port, backlog });
    return;
  }
  // The second listener accepts requests as soon as it is bound.
  await http.ready();
  for (let tries = 1; ; tries++) {
    const second = createSecondListener(http.server);
    const isBound = await tryListen(second, { host: loopback.v6, port, backlog });
    try {
      const shared = isBound ? (second.address() as AddressInfo).port : port;
      await http.listen({ host: loopback.v4, port: shared, backlog });
      if (isBound) secondListeners.set(http.server, second);
      return;
    } catch (error) {
      if (!isBound) throw error;
      second.close();
      await once(second, 'close');
      if (isMissingAddress(error)) {
        await http.listen({ host: loopback.v6, port, backlog });
        return;
      }
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
      if (port !== 0 || !isTaken || tries === maxPortTries) throw error;
    }
  }
}

/** Stops accepting connections without closing open ones. */
export function stopListening(server: Server): void {
  // `close()` of an HTTP server would close idle connections.
  TcpServer.prototype.close.call(server);
  secondListeners.get(server)?.close();
}

const secondListeners = new WeakMap<Server, TcpServer>();

/**
 * Creates a listener that passes its connections to the server: TLS, timeouts, graceful shutdown and the connection
 * limit apply to both addresses together.
 */
function createSecondListener(server: Server): TcpServer {
  // The socket options of Node's HTTP server.
  return createServer({ allowHalfOpen: true, noDelay: true }, (socket) => server.emit('connection', socket));
}

/** Returns whether the machine has the address. @throws any other error of `listen` */
async function tryListen(server: TcpServer, settings: ListenSettings): Promise<boolean> {
  try {
    server.listen(settings);
    await once(server, 'listening');
    return true;
  } catch (error) {
    if (!isMissingAddress(error)) throw error;
    return false;
  }
}

function isMissingAddress(error: unknown): boolean {
  return missingAddressCodes.includes((error as NodeJS.ErrnoException).code ?? '');
}
