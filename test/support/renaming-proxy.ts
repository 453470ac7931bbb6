import { createServer, type AddressInfo, type Socket } from 'node:net';
import { connectTo, urlThrough } from './proxied-database.ts';

/** A pooler as clients see PgBouncer since version 1.21: it has its own process ids, and its own names of statements. */
export type RenamingProxy = {
  /** The database's URL through the pooler. */
  readonly url: string;
  /** The names that clients have sent. */
  readonly names: ReadonlySet<string>;
  close(): Promise<void>;
};

/** Opens a pooler in front of a database. */
export async function openRenamingProxy(databaseUrl: string): Promise<RenamingProxy> {
  const names = new Set<string>();
  const sockets = new Set<Socket>();
  const rename = (name: string) => {
    if (name === '') return '';
    names.add(name);
    return `POOLER_${name.slice(0, 40)}`;
  };
  const server = createServer((client) => {
    const database = connectTo(databaseUrl);
    for (const socket of [client, database]) {
      sockets.add(socket.on('error', () => undefined));
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        database.destroy();
      });
    }
    client.on(
      'data',
      createFrames(true, (type, body) => {
        if (type === 'P') body = replaceText(body, 0, rename);
        if (type === 'B') body = replaceText(body, body.indexOf(0) + 1, rename);
        database.write(frame(type, body));
      }),
    );
    database.on(
      'data',
      createFrames(false, (type, body) => {
        // BackendKeyData begins with the process id.
        if (type === 'K') body.writeInt32BE(7, 0);
        client.write(frame(type, body));
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: urlThrough((server.address() as AddressInfo).port, databaseUrl),
    names,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Replaces a text that ends with a zero. */
function replaceText(body: Buffer, start: number, replace: (text: string) => string): Buffer {
  const end = body.indexOf(0, start);
  const text = Buffer.from(replace(body.toString('utf8', start, end)));
  return Buffer.concat([body.subarray(0, start), text, body.subarray(end)]);
}

function frame(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
}

/**
 * Splits a stream into messages. The first one of a client has no type.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
function createFrames(isClient: boolean, onMessage: (type: string, body: Buffer) => void) {
  let rest = Buffer.alloc(0);
  let typeLength = isClient ? 0 : 1;
  return (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= typeLength + 4) {
      const end = typeLength + rest.readUInt32BE(typeLength);
      if (rest.length < end) return;
      onMessage(rest.toString('latin1', 0, typeLength), Buffer.from(rest.subarray(typeLength + 4, end)));
      rest = rest.subarray(end);
      typeLength = 1;
    }
  };
}
