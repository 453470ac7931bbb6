import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

/** An address and a port where connections are neither accepted nor rejected, as those that a firewall drops. */
export type BlackHole = {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
};

/** A listener that accepts nothing: its thread waits for the flag, and the system queues two connections only. */
const listener = `
  const { parentPort, workerData: { address, flag } } = require('node:worker_threads');
  const server = require('node:net').createServer().listen({ port: 0, host: address, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    setImmediate(() => Atomics.wait(new Int32Array(flag), 0, 0));
  });`;

/** Opens a black hole on an address of the loopback interface. */
export async function openBlackHole(address: string): Promise<BlackHole> {
  const flag = new SharedArrayBuffer(4);
  const worker = new Worker(listener, { eval: true, workerData: { address, flag } });
  const [port] = (await once(worker, 'message')) as [number];
  const queued: Socket[] = [];
  for (let count = 0; count < 2; count++) {
    const socket = connect(port, address).on('error', () => undefined);
    queued.push(socket);
    await once(socket, 'connect');
  }
  return {
    address,
    port,
    async close() {
      for (const socket of queued) socket.destroy();
      Atomics.store(new Int32Array(flag), 0, 1);
      Atomics.notify(new Int32Array(flag), 0);
      await worker.terminate();
    },
  };
}
