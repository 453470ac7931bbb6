import { createServer, type AddressInfo, type Socket } from 'node:net';
import { connectTo, urlThrough } from './proxied-database.ts';

/** A proxy between a server and its PostgreSQL that counts the statements. */
export type CountingProxy = {
  /** The database's URL through the proxy. */
  readonly url: string;
  /** How many statements have been sent so far. */
  count(): number;
  /** The statements that have been sent so far. */
  texts(): readonly string[];
  close(): Promise<void>;
};

/** Opens a proxy on a free port, or on that of a proxy that was closed. */
export async function openCountingProxy(databaseUrl: string, port = 0): Promise<CountingProxy> {
  const sockets = new Set<Socket>();
  const texts: string[] = [];

  const proxy = createServer((client) => {
    const server = connectTo(databaseUrl);
    for (const socket of [client, server]) sockets.add(socket.on('error', () => undefined));
    client.on(
      'data',
      createStatementReader((text) => texts.push(text)),
    );
    client.pipe(server).pipe(client);
  });
  await new Promise<void>((resolve) => proxy.listen(port, '127.0.0.1', resolve));

  return {
    url: urlThrough((proxy.address() as AddressInfo).port, databaseUrl),
    count: () => texts.length,
    texts: () => texts,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

/**
 * Reports the text of each statement in a stream: of a Query, or of the prepared statement of an Execute.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
function createStatementReader(onStatement: (text: string) => void) {
  const prepared = new Map<string, string>();
  let bound = '';
  return createMessageReader((type, body) => {
    const [first = '', second = ''] = body.toString('latin1').split('\0', 2);
    if (type === 'P') prepared.set(first, second);
    if (type === 'B') bound = prepared.get(second) ?? '';
    if (type === 'E') onStatement(bound);
    if (type === 'Q') onStatement(first);
  });
}

/** Reports the type and the body of each message in a stream. */
function createMessageReader(onMessage: (type: string, body: Buffer) => void) {
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
      if (!isStartup) onMessage(String.fromCharCode(rest[0]!), rest.subarray(typeLength + 4, length));
      isStartup = false;
      rest = rest.subarray(length);
    }
  };
}
