// The HTTP client of the soak test: keep-alive connections on plain sockets, and a queue for requests without one.
import { connect } from 'node:net';
import { readResponse } from '../http-response.js';

/** Shorter than `timeout http-keep-alive` of HAProxy, which would close a connection while a request is on its way. */
const idleLimitMs = 10_000;
/** Longer than each time limit of HAProxy, the server and PgBouncer, which respond with an error. */
const responseLimitMs = 90_000;

/** Opens a client of a port of this machine, with at most so many connections. */
export function openClient(port, maxConnections) {
  const idle = [];
  const queue = [];
  let open = 0;

  const take = () => {
    const connection = idle.pop();
    if (connection) return connection;
    if (open >= maxConnections) return undefined;
    open++;
    return openConnection(port, (closed) => {
      open--;
      const index = idle.indexOf(closed);
      if (index !== -1) idle.splice(index, 1);
      startQueued();
    });
  };
  const startQueued = () => {
    while (queue.length > 0) {
      const connection = take();
      if (!connection) return;
      start(connection, queue.shift());
    }
  };
  const start = (connection, { text, resolve, reject }) => {
    connection
      .send(text)
      .then((response) => {
        if (connection.isOpen()) idle.push(connection);
        startQueued();
        resolve(response);
      })
      .catch(reject);
  };
  const closeIdle = setInterval(() => {
    for (const connection of idle.filter(({ idleMs }) => idleMs() > idleLimitMs)) connection.close();
  }, 1000);

  return {
    /** Sends the text of a request when a connection is free. Rejects if there is no complete response. */
    send: (text) =>
      new Promise((resolve, reject) => {
        queue.push({ text, resolve, reject });
        startQueued();
      }),
    /** The number of open connections, and of requests that wait for one. */
    connectionCount: () => open,
    queueLength: () => queue.length,
    close() {
      clearInterval(closeIdle);
      for (const { reject } of queue.splice(0)) reject(new Error('the client was closed'));
      for (const connection of idle) connection.close();
    },
  };
}

function openConnection(port, onClose) {
  const socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  socket.setTimeout(responseLimitMs, () =>
    socket.destroy(new Error(`no response for ${responseLimitMs} ms`)),
  );
  let pending;
  let text = '';
  let usedAt = performance.now();
  let failure = 'the connection was closed before a response';
  const connection = {
    send: (request) =>
      new Promise((resolve, reject) => {
        pending = { resolve, reject };
        socket.write(request);
      }),
    isOpen: () => !socket.destroyed && socket.writable,
    idleMs: () => performance.now() - usedAt,
    close: () => socket.destroy(),
  };
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    const response = readResponse(text);
    if (!response || !pending) return;
    text = '';
    usedAt = performance.now();
    const { resolve } = pending;
    pending = undefined;
    if (/\r\nconnection: close\r\n/i.test(response.head)) socket.destroy();
    resolve(response);
  });
  socket.on('error', (error) => (failure = error.message));
  // The other side has ended it: the next request needs another connection.
  socket.on('end', () => socket.destroy());
  socket.on('close', () => {
    onClose(connection);
    pending?.reject(new Error(failure));
  });
  return connection;
}
