import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { testKey } from './test-app.ts';

/** Sends a POST with the first byte of its body only. Resolves when the server has read its headers. */
export async function sendIncompleteRequest(httpUrl: string, path: string): Promise<Socket> {
  const { hostname, port } = new URL(httpUrl);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: x\r\nX-APIKEY: ${testKey}\r\nContent-Type: application/json\r\n` +
      `Content-Length: 100\r\nExpect: 100-continue\r\n\r\n{`,
  );
  // The response to `Expect`: 100 Continue.
  await once(socket, 'data');
  return socket;
}
