import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { failure, groupsPath } from '../support/autodialer.ts';
import { openTestApp, testKey, useTestApp, type ApiResponse, type TestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

const app = useTestApp();

describe('an error that is sent before the whole body has arrived', () => {
  const connectTo = async ({ httpUrl }: TestApp) => {
    const { port, hostname } = new URL(httpUrl);
    const socket = connect(Number(port), hostname);
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    await once(socket, 'connect');
    const answers = () => received.split('HTTP/1.1 ').length - 1;
    return {
      socket,
      text: () => received,
      until: async (count: number) => {
        await waitUntil(() => answers() >= count);
        return answers();
      },
    };
  };
  const head = (length: number) =>
    `POST ${groupsPath}/add HTTP/1.1\r\nHost: x\r\nX-APIKEY: ${testKey}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;

  test('the rest of a rejected body is read, and the next request on the connection succeeds', async () => {
    const { socket, text, until } = await connectTo(app);
    const body = Buffer.from(`{"name":"a","numbers":["x",${'"1",'.repeat(3_000_000)}"1"]}`);
    socket.write(head(body.length));
    for (let start = 0; start < body.length; start += 1_000_000)
      if (!socket.write(body.subarray(start, start + 1_000_000))) await once(socket, 'drain');
    expect(await until(1)).toBe(1);
    expect(text()).toContain('value 1 must be');
    socket.write(`${head(2)}{}`);
    expect(await until(2)).toBe(2);
    expect(text()).toContain("Field 'name':value is missing");
    socket.destroy();
  });

  test('a rejected request gets one response, even if its body is cut off or invalid', async () => {
    const impatient = await openTestApp({ REQUEST_TIMEOUT_SECONDS: 3 });
    const { socket, text, until } = await connectTo(impatient);
    socket.write(`${head(1000)}{"name":"a","numbers":["x",`);
    await until(1);
    await waitUntil(() => socket.destroyed);
    expect([await until(1), text().includes('408')]).toStrictEqual([1, false]);
    await impatient.close();
  });
});

test('slow uploads of numbers use up the slots for uploads only; other requests succeed', async () => {
  const small = await openTestApp({ MAX_CONCURRENT_REQUESTS: 3, REQUEST_TIMEOUT_SECONDS: 30 });
  const { port, hostname } = new URL(small.httpUrl);
  const sockets = Array.from({ length: 3 }, () => {
    const socket = connect(Number(port), hostname);
    socket.write(
      `POST ${groupsPath}/add HTTP/1.1\r\nHost: x\r\nX-APIKEY: ${testKey}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"name":`,
    );
    return socket;
  });
  let add = {} as ApiResponse;
  await waitUntil(async () => {
    add = await small.post(`${groupsPath}/add`, { name: 'a', numbers: [] });
    return add.status !== 200;
  });
  expect([add.status, add.body]).toStrictEqual([503, failure('The server is overloaded. Try again later')]);
  expect(add.headers.get('retry-after')).toBe('1');
  expect((await small.post(`${groupsPath}/search`, {})).body.success).toBe(1);
  expect((await small.post('/allGroups', {})).status).toBe(200);
  for (const socket of sockets) socket.destroy();
  await small.close();
});
