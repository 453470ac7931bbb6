import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/**
 * The fault that the next commit meets:
 * - `reply lost`: it is executed, but its connection is closed before the reply;
 * - `all cut`: its reply is forwarded, then every connection is closed;
 * - `away for a moment`: as `reply lost`, and connections are rejected for half a second;
 * - `away after reply`: as `all cut`, and connections are rejected until `restore()`;
 * - `away`: as `reply lost`, and connections are rejected until `restore()`;
 * - `not sent`: it does not reach the database, and the connection is closed.
 */
export type Fault = 'reply lost' | 'all cut' | 'away after reply' | 'away for a moment' | 'away' | 'not sent';

/** A proxy between a server and its PostgreSQL that closes connections during a commit. */
export type CuttingProxy = {
  /** The database's URL through the proxy. */
  readonly url: string;
  /** Lets the next commit meet a fault. Resolves when it has. */
  cutNextCommit(fault: Fault): Promise<void>;
  /** Accepts connections again. */
  restore(): void;
  close(): Promise<void>;
};

const momentMs = 500;

/**
 * A mutation changes rows and writes an audit event. A rejected call writes only the event, a pooler's transaction may
 * only read, and the purge of expired rows runs at any time.
 */
const isMutation = (transaction: string) =>
  transaction.includes('INSERT INTO audit_events') &&
  /\b(INSERT INTO|UPDATE|DELETE FROM) (?!audit_events)/.test(transaction) &&
  !transaction.includes('FROM purged');

export async function openCuttingProxy(databaseUrl: string): Promise<CuttingProxy> {
  const target = new URL(databaseUrl);
  const folder = target.searchParams.get('host');
  const sockets = new Set<Socket>();
  let pending: { readonly fault: Fault; readonly met: () => void } | undefined;
  let isAway = false;

  const cutAll = () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };

  const proxy = createServer((client) => {
    if (isAway) {
      client.destroy();
      return;
    }
    const server = folder
      ? connect(`${folder}/.s.PGSQL.5432`)
      : connect(Number(target.port || 5432), target.hostname);
    for (const socket of [client, server]) {
      sockets.add(socket.on('error', () => undefined));
      socket.on('close', () => {
        sockets.delete(socket);
        for (const other of [client, server]) other.destroy();
      });
    }

    /** The fault of the commit that this connection has sent. */
    let fault: Fault | undefined;
    let transaction = '';
    const readCommits = createStatementReader((sql) => {
      const isOpen = transaction.startsWith('BEGIN');
      transaction = isOpen ? `${transaction}\n${sql}` : sql;
      // A plain delete is committed by its one statement, unless a pooler requires a transaction for it.
      if (isOpen ? !/^(COMMIT|ROLLBACK)\b/.test(sql) : sql.startsWith('BEGIN')) return;
      const isCommitted = isMutation(transaction) && !sql.startsWith('ROLLBACK');
      transaction = '';
      if (!isCommitted || !pending) return;
      ({ fault } = pending);
      pending.met();
      pending = undefined;
    });
    client.on('data', (chunk: Buffer) => {
      readCommits(chunk);
      if (fault === 'not sent') client.destroy();
      else server.write(chunk);
    });
    server.on('data', (chunk: Buffer) => {
      if (fault === undefined) {
        client.write(chunk);
        return;
      }
      // A commit is over when the server is ready for the next query, outside a transaction.
      const isReady = chunk.at(-6) === 'Z'.charCodeAt(0) && chunk.at(-1) === 'I'.charCodeAt(0);
      if (fault === 'all cut' || fault === 'away after reply') {
        if (isReady) isAway = fault === 'away after reply';
        client.write(chunk, () => isReady && cutAll());
      } else if (isReady) {
        isAway = fault !== 'reply lost';
        if (isAway) cutAll();
        if (fault === 'away for a moment') setTimeout(() => (isAway = false), momentMs);
        client.destroy();
      }
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));

  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String((proxy.address() as AddressInfo).port);
  url.username ||= url.searchParams.get('user') ?? '';
  url.search = '';
  return {
    url: url.href,
    cutNextCommit: (fault) => new Promise((met) => (pending = { fault, met })),
    restore() {
      isAway = false;
      pending = undefined;
    },
    async close() {
      cutAll();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

/**
 * Reports the text of each statement that is executed: of Query, and of Bind by the name that Parse gave it.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
function createStatementReader(onStatement: (sql: string) => void): (chunk: Buffer) => void {
  const texts = new Map<string, string>();
  let rest = Buffer.alloc(0);
  let isStartup = true;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      // Only the first message has no type.
      const typeLength = isStartup ? 0 : 1;
      if (rest.length < typeLength + 4) return;
      const length = typeLength + rest.readUInt32BE(typeLength);
      if (rest.length < length) return;
      const [first = '', second = ''] = rest
        .subarray(typeLength + 4, length)
        .toString('latin1')
        .split('\0', 2);
      const type = isStartup ? '' : String.fromCharCode(rest[0]!);
      if (type === 'P') texts.set(first, second.trim());
      if (type === 'B') onStatement(texts.get(second) ?? '');
      if (type === 'Q') onStatement(first.trim());
      isStartup = false;
      rest = rest.subarray(length);
    }
  };
}
