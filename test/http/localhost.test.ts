import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, test } from '@jest/globals';
import { openTestApp, plainGroup, testKey, type TestApp } from '../support/test-app.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { waitUntil } from '../support/wait-until.ts';

// HOST=localhost means both loopback addresses: clients try either.
const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
);
const hosts = hasIpv6 ? ['127.0.0.1', '[::1]'] : ['127.0.0.1'];

let app: TestApp | undefined;
afterEach(async () => {
  await app?.close();
  app = undefined;
});
const open = async (settings: Parameters<typeof openTestApp>[0] = {}) => {
  app = await openTestApp({ HOST: 'localhost', ...settings });
  return { opened: app, port: new URL(app.httpUrl).port };
};

/** Opens a connection; resolves with whether the server keeps it open. */
const openConnection = (host: string, port: string) =>
  new Promise<{ socket: Socket; isKept: boolean }>((resolve) => {
    const socket = connect(Number(port), host.replace(/[[\]]/g, ''));
    socket.on('error', () => undefined);
    socket.once('close', () => resolve({ socket, isKept: false }));
    socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
    socket.once('data', () => resolve({ socket, isKept: true }));
  });

test.each(hosts)('a call over %s succeeds, and its audit event has the address', async (host) => {
  const { opened, port } = await open();
  expect(opened.httpUrl).toBe(`http://127.0.0.1:${port}`);
  const response = await fetch(`http://${host}:${port}/createGroup`, {
    method: 'POST',
    headers: { 'X-APIKEY': testKey, 'Content-Type': 'application/json', 'X-Request-Id': 'by-address' },
    body: JSON.stringify({ group: plainGroup }),
  });
  expect(response.status).toBe(200);
  expect(await opened.sql("SELECT address FROM audit_events WHERE request_id = 'by-address'")).toStrictEqual([
    { address: host.replace(/[[\]]/g, '') },
  ]);
});

const isClosed = (url: string) =>
  fetch(url).then(
    () => false,
    () => true,
  );

test('a graceful shutdown finishes a request in flight at each address, and frees both', async () => {
  const { opened, port } = await open();
  const id = await opened.createGroup();
  const locker = await openSecondConnection(opened);
  await locker.lockGroup(id);
  const edits = hosts.map((host) =>
    fetch(`http://${host}:${port}/editGroup`, {
      method: 'POST',
      headers: { 'X-APIKEY': testKey, 'Content-Type': 'application/json' },
      body: JSON.stringify({ id, group: { tagName: host } }),
    }),
  );
  await locker.waitForBlocked(hosts.length);
  app = undefined;
  const closing = opened.close();
  for (const host of hosts) await waitUntil(() => isClosed(`http://${host}:${port}/livez`));
  await locker.close();
  for (const { status } of await Promise.all(edits)) expect(status).toBe(200);
  await closing;
  for (const host of hosts)
    await expect(fetch(`http://${host}:${port}/livez`)).rejects.toThrow('fetch failed');
});

describe('MAX_CONNECTIONS is shared by both addresses', () => {
  test.each(hosts)('a connection that ends at %s frees a slot at both addresses', async (freed) => {
    const maximum = 4;
    const { port } = await open({ MAX_CONNECTIONS: maximum });
    const held = [];
    for (let i = 0; i < maximum; i++) {
      const host = hosts[i % hosts.length]!;
      held.push({ host, ...(await openConnection(host, port)) });
    }
    expect(held.map(({ isKept }) => isKept)).toStrictEqual(held.map(() => true));
    for (const host of hosts) expect((await openConnection(host, port)).isKept).toBe(false);
    for (const host of hosts) {
      held.find((connection) => connection.host === freed && !connection.socket.destroyed)!.socket.destroy();
      // The server notices the close a moment later.
      for (let isKept = false; !isKept;) ({ isKept } = await openConnection(host, port));
      for (const otherHost of hosts) expect((await openConnection(otherHost, port)).isKept).toBe(false);
    }
  });
});

test('too many requests at one address are rejected at both', async () => {
  const { opened, port } = await open({ MAX_CONCURRENT_REQUESTS: 1 });
  const id = await opened.createGroup();
  const locker = await openSecondConnection(opened);
  await locker.lockGroup(id);
  const edit = opened.post('/editGroup', { id, group: { tagName: 'x' } });
  await locker.waitForBlocked();
  for (const host of hosts) {
    const { status } = await fetch(`http://${host}:${port}/whoami`, { headers: { 'X-APIKEY': testKey } });
    expect(status).toBe(503);
    expect((await fetch(`http://${host}:${port}/livez`)).status).toBe(200);
  }
  await locker.close();
  expect((await edit).status).toBe(200);
});

test('a port that another program uses at ::1 stops the start; without IPv6 the server starts', async () => {
  const other = createServer().listen(0, hasIpv6 ? '::1' : '127.0.0.1');
  await new Promise((done) => other.once('listening', done));
  const { port } = other.address() as AddressInfo;
  await expect(openTestApp({ HOST: 'localhost', PORT: port })).rejects.toThrow(
    `Another program listens on localhost:${port}`,
  );
  await new Promise((done) => other.close(done));
});
