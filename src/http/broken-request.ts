import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ErrorCode } from '../errors.ts';

type ClientError = { readonly status: number; readonly code: ErrorCode; readonly message: string };
const malformedRequest: ClientError = {
  status: 400,
  code: 'BAD_REQUEST',
  message: 'This is not an HTTP request',
};
const errorTable: Readonly<Record<string, ClientError>> = {
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: 'REQUEST_TIMEOUT',
    message: 'The request was not received in time',
  },
  HPE_INVALID_METHOD: {
    ...malformedRequest,
    message: 'This is not an HTTP request, or its method is unknown',
  },
  HPE_HEADER_OVERFLOW: { status: 431, code: 'BAD_REQUEST', message: 'The headers are larger than 16 KiB' },
};

const socketsWithResponse = new WeakSet<Socket>();
const clientErrors = new WeakMap<Socket, ClientError>();

/**
 * Marks a connection whose response was sent before the request body was complete: errors in the rest of the body get
 * no response.
 */
export function markResponseSent(socket: Socket): void {
  socketsWithResponse.add(socket);
}

/**
 * Responds to malformed HTTP requests and to timeouts, for which Node would close the connection without a response.
 */
export function handleClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socketsWithResponse.has(socket)) {
    socket.destroy();
    return;
  }
  const clientError = errorTable[error.code ?? ''] ?? malformedRequest;
  // A client that has closed its side in the middle of a body has probably gone.
  if (error.code !== 'HPE_INVALID_EOF_STATE') clientErrors.set(socket, clientError);
  writeResponse(socket, clientError);
}

/** Returns the error with which a connection was closed during a request; undefined if there was none. */
export function clientErrorOf(socket: Socket): ClientError | undefined {
  return clientErrors.get(socket);
}

/** Rejects CONNECT, for which Node would close the connection without a response: this server is not a proxy. */
export function rejectConnect(_request: IncomingMessage, socket: Duplex): void {
  socket.on('error', () => undefined);
  writeResponse(socket, {
    status: 405,
    code: 'METHOD_NOT_ALLOWED',
    message: 'This server is not a proxy. Use GET or POST, not CONNECT',
  });
}

function writeResponse(socket: Duplex, { status, code, message }: ClientError): void {
  const body = JSON.stringify({ errors: [{ message, extensions: { code } }] });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      (status === 405 ? 'Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n' : '') +
      `Content-Length: ${Buffer.byteLength(body)}\r\nX-Request-Id: ${randomUUID()}\r\nConnection: close\r\n\r\n${body}`,
  );
}
