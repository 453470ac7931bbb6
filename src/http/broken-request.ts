import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ErrorCode } from '../errors.ts';

type BrokenRequest = { readonly status: number; readonly code: ErrorCode; readonly message: string };
const brokenRequest: BrokenRequest = {
  status: 400,
  code: 'BAD_REQUEST',
  message: 'This is not an HTTP request',
};
const brokenRequests: Readonly<Record<string, BrokenRequest>> = {
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: 'REQUEST_TIMEOUT',
    message: 'The request was not received in time',
  },
  HPE_INVALID_METHOD: { ...brokenRequest, message: 'This is not an HTTP request, or its method is unknown' },
  HPE_HEADER_OVERFLOW: { status: 431, code: 'BAD_REQUEST', message: 'The headers are larger than 16 KiB' },
};

const socketsWithResponse = new WeakSet<Socket>();

/** Takes note of a connection whose request was answered before its body was there: whatever becomes of that body is not answered again. */
export function markResponseSent(socket: Socket): void {
  socketsWithResponse.add(socket);
}

/** Answers what is no HTTP request at all, or did not come in time, where Node would close the connection in silence. */
export function handleClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socketsWithResponse.has(socket)) {
    socket.destroy();
    return;
  }
  writeResponse(socket, brokenRequests[error.code ?? ''] ?? brokenRequest);
}

/** Rejects a CONNECT, for which Node would close the connection in silence: this server is no proxy. */
export function rejectConnect(_request: IncomingMessage, socket: Duplex): void {
  socket.on('error', () => undefined);
  writeResponse(socket, {
    status: 405,
    code: 'METHOD_NOT_ALLOWED',
    message: 'This server is not a proxy. Use GET or POST, not CONNECT',
  });
}

function writeResponse(socket: Duplex, { status, code, message }: BrokenRequest): void {
  const body = JSON.stringify({ errors: [{ message, extensions: { code } }] });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      (status === 405 ? 'Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n' : '') +
      `Content-Length: ${Buffer.byteLength(body)}\r\nX-Request-Id: ${randomUUID()}\r\nConnection: close\r\n\r\n${body}`,
  );
}
