import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A port whose connections lead to a port of 127.0.0.1. */
export type Forwarder = {
  readonly port: number;
  /** Closes the port and its connections. */
  stop(): Promise<void>;
  /** Opens the same port again. */
  start(): Promise<void>;
  close(): Promise<void>;
};

/** @throws Error if the machine does not have the address `host` */
export async function openForwarder(target: number, host = '127.0.0.1'): Promise<Forwarder> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const socket = connect(target, '127.0.0.1');
    for (const [one, other] of [
      [client, socket],
      [socket, client],
    ] as const) {
      sockets.add(one);
      one
        .on('error', () => undefined)
        .on('close', () => {
          sockets.delete(one);
          other.destroy();
        });
      one.pipe(other);
    }
  });
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const stop = async () => {
    if (!server.listening) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return { port, stop, start: () => listen(port), close: stop };
}
