import { createServer, type AddressInfo, type Socket } from 'node:net';
import { connectTo, urlThrough } from './proxied-database.ts';

/** A proxy between a server and its PostgreSQL that counts the statements. */
export type CountingProxy = {
  /** The database's URL through the proxy. */
  readonly url: string;
  /** How many statements have been sent so far. */
  count(): number;
  close(): Promise<void>;
};

/** Opens a proxy on a free port, or on that of a proxy that was closed. */
export async function openCountingProxy(databaseUrl: string, port = 0): Promise<CountingProxy> {
  const sockets = new Set<Socket>();
  let statements = 0;

  const proxy = createServer((client) => {
    const server = connectTo(databaseUrl);
    for (const socket of [client, server]) sockets.add(socket.on('error', () => undefined));
    const countIn = createMessageReader((type) => (statements += type === 'E' || type === 'Q' ? 1 : 0));
    client.on('data', countIn);
    client.pipe(server).pipe(client);
  });
  await new Promise<void>((resolve) => proxy.listen(port, '127.0.0.1', resolve));

  return {
    url: urlThrough((proxy.address() as AddressInfo).port, databaseUrl),
    count: () => statements,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

/**
 * Reports the type of each message in a stream: Execute and Query are the statements.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
function createMessageReader(onMessage: (type: string) => void) {
  let rest = Buffer.alloc(0);
  let isStartup = true;
  return (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      // Only the first message has no type.
      const typeLength = isStartup ? 0 : 1;
      if (rest.length < typeLength + 4) return;
      const length = typeLength + rest.readUInt32BE(typeLength);
      if (rest.length < length) return;
      if (!isStartup) onMessage(String.fromCharCode(rest[0]!));
      isStartup = false;
      rest = rest.subarray(length);
    }
  };
}
