import { once } from 'node:events';
import type { Server } from 'node:http';
import { createServer, Server as TcpServer, type AddressInfo, type Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

export type ListenSettings = {
  readonly host: string;
  readonly port: number;
  /** How many connections may wait until they are accepted. */
  readonly backlog: number;
};

const loopback = { v4: '127.0.0.1', v6: '::1' } as const;
/** Another program may have the port on one address that is free on the other. */
const maxPortTries = 10;
/** The machine has no such address. */
const missingAddressCodes = ['EADDRNOTAVAIL', 'EAFNOSUPPORT'];

/**
 * Listens. For the host `localhost` on both loopback addresses with the same port, as far as the machine has them: some
 * clients try only one of them.
 * @throws the error of `listen`
 */
export async function listen(http: FastifyInstance, { host, port, backlog }: ListenSettings): Promise<void> {
  if (host.toLowerCase() !== 'localhost') {
    await http.listen({ host, port, backlog });
    return;
  }
  // The second listener serves as soon as it is bound.
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

/** Accepts no further connections, and leaves those that are open alone. */
export function stopListening(server: Server): void {
  // Node's HTTP server would cut the idle ones.
  TcpServer.prototype.close.call(server);
  secondListeners.get(server)?.close();
}

const secondListeners = new WeakMap<Server, TcpServer>();

/**
 * Creates a listener whose connections are the server's: TLS, timeouts, the orderly close and the highest number of
 * connections hold for those of both addresses together.
 */
function createSecondListener(server: Server): TcpServer {
  const { maxConnections } = server;
  let own = 0;
  let open = 0;
  const countOpen = (socket: Socket) => {
    open++;
    socket.once('close', () => open--);
  };
  // Node takes 0 for no limit.
  const shareLimit = () => (server.maxConnections = maxConnections > own ? maxConnections - own : -1);

  // As an HTTP server has its sockets.
  const second = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    if (open >= maxConnections) {
      socket.destroy();
      return;
    }
    own++;
    shareLimit();
    socket.once('close', () => {
      own--;
      shareLimit();
    });
    server.emit('connection', socket);
  });
  server.on('connection', countOpen);
  second.once('close', () => server.off('connection', countOpen));
  return second;
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
