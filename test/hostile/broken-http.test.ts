import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createProbes } from '../support/probes.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { openTestApp, testKey, type TestApp } from '../support/test-app.ts';

let app: TestApp;
let server: ServerProcess;
let url: string;
const { readState } = createProbes(() => app);
let before: unknown;

beforeAll(async () => {
  app = await openTestApp();
  server = startServer({
    DATABASE_URL: app.url,
    ADMIN_API_KEY: testKey,
    LOG_LEVEL: 'warn',
    REQUEST_TIMEOUT_SECONDS: '3',
  });
  ({ url } = await server.ready);
  await app.createGroup();
  before = await readState();
});
afterAll(async () => {
  server.kill('SIGTERM');
  await server.exited;
  await app.close();
});

/** Writes to a socket, and returns the response when the socket is closed or the time is over. */
const talk = (text: string | Buffer, { everyMs = 0, timeoutMs = 6000 } = {}) =>
  new Promise<string>((resolve) => {
    let received = '';
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => {
      if (everyMs === 0) socket.write(text);
      else {
        let index = 0;
        const timer = setInterval(() => {
          if (socket.writable) socket.write(Buffer.from(text).subarray(index, ++index));
        }, everyMs);
        socket.on('close', () => clearInterval(timer));
      }
    });
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(received);
    });
  });
const head = (extra: string) =>
  `POST /deleteGroup HTTP/1.1\r\nHost: x\r\nX-APIKEY: ${testKey}\r\nContent-Type: application/json\r\n${extra}\r\n`;

test.each([
  ['a slow body', head('Content-Length: 100\r\n') + ' '.repeat(100), 100, /^HTTP\/1\.1 408 /],
  ['slow headers', head('X-Slow: 1\r\n'), 200, /^HTTP\/1\.1 408 /],
  ['two lengths', head('Content-Length: 8\r\nContent-Length: 9\r\n') + '{"id":1}', 0, /^HTTP\/1\.1 400 /],
  [
    'a length and chunks',
    head('Content-Length: 8\r\nTransfer-Encoding: chunked\r\n') + '8\r\n{"id":1}\r\n0\r\n\r\n',
    0,
    /^HTTP\/1\.1 400 /,
  ],
  [
    'chunks that are none',
    head('Transfer-Encoding: chunked\r\nConnection: close\r\n') + 'x\r\n',
    0,
    /^HTTP\/1\.1 400 /,
  ],
  ['an unknown coding', head('Transfer-Encoding: gzip\r\n'), 0, /^HTTP\/1\.1 400 /],
  ['a header with a line break', head('X-A: 1\n b: 2\r\nX-\u0000: 1\r\n'), 0, /^HTTP\/1\.1 400 /],
  ['headers of 1 MB', head(`X-A: ${'a'.repeat(1_000_000)}\r\n`), 0, /^(HTTP\/1\.1 431 |$)/],
  ['what is not HTTP', 'GARBAGE\r\n\r\n', 0, /^HTTP\/1\.1 400 /],
])('%s is rejected in time', async (_what, text, everyMs, answer) => {
  expect(await talk(text, { everyMs })).toMatch(answer);
  expect(await readState()).toStrictEqual(before);
});
