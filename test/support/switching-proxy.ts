import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** An error that PostgreSQL sends and then closes the connection, as in `FATAL: … (SQLSTATE 57P01)`. */
export type FatalError = { readonly code: string; readonly message: string };

/** A proxy in front of several PostgreSQL servers, as HAProxy is, that can be switched to another one. */
export type SwitchingProxy = {
  readonly port: number;
  /** Connects clients to another server from now on. Open connections stay where they are. */
  switchTo(port: number): void;
  /** Closes all connections, or resets them so that clients get ECONNRESET. */
  cut(how?: 'close' | 'reset'): void;
  /** Rejects connections with an error, until `accept()`. */
  reject(error: FatalError): void;
  accept(): void;
  /** Sends an error instead of forwarding the next statement of any connection, and closes the connection. */
  failNextStatement(error: FatalError): void;
  close(): Promise<void>;
};

export async function openSwitchingProxy(firstPort: number): Promise<SwitchingProxy> {
  let targetPort = firstPort;
  let rejection: FatalError | undefined;
  let failure: FatalError | undefined;
  const clients = new Set<Socket>();

  const proxy = createServer((client) => {
    clients.add(client.on('error', () => undefined));
    const server = connect(targetPort, '127.0.0.1').on('error', () => undefined);
    client.on('close', () => {
      clients.delete(client);
      server.destroy();
    });
    server.on('close', () => client.destroy());
    const fail = (error: FatalError) => {
      server.destroy();
      client.end(errorResponse(error));
    };
    const rejected = rejection;
    client.on('data', (chunk: Buffer) => {
      const error = rejected ?? (isStatement(chunk) ? failure : undefined);
      if (error === undefined) {
        server.write(chunk);
        return;
      }
      if (rejected === undefined) failure = undefined;
      // `end()` above waits for what the client sends; nothing more is read.
      client.removeAllListeners('data');
      server.removeAllListeners('close');
      fail(error);
    });
    server.on('data', (chunk: Buffer) => client.write(chunk));
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));

  return {
    port: (proxy.address() as AddressInfo).port,
    switchTo: (port) => (targetPort = port),
    cut(how = 'close') {
      for (const client of clients) {
        if (how === 'reset') client.resetAndDestroy();
        else client.destroy();
      }
    },
    reject: (error) => (rejection = error),
    accept: () => (rejection = undefined),
    failNextStatement: (error) => (failure = error),
    async close() {
      for (const client of clients) client.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

/** Parse, Bind and Query start a statement. The probe of the watchdog is not one that a test means. */
function isStatement(chunk: Buffer): boolean {
  return /^[PBQ]$/.test(String.fromCharCode(chunk[0]!)) && !chunk.includes('pg_is_in_recovery');
}

/** @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-ERRORRESPONSE */
function errorResponse({ code, message }: FatalError): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeUInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}
