import { copyFile } from 'node:fs/promises';
import { request as requestTls } from 'node:https';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from '@jest/globals';
import { openTestApp, plainGroup, testKey, type TestApp } from './support/test-app.ts';
import { createTestFolder } from './support/test-folder.ts';

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

test('a graceful shutdown finishes a request in flight at each address, and frees both', async () => {
  const { opened, port } = await open();
  const id = await opened.createGroup();
  const lock = opened.sql(
    `DO $$ BEGIN PERFORM FROM groups WHERE id = ${id} FOR UPDATE; PERFORM pg_sleep(2); END $$`,
  );
  const waiting = () =>
    opened.sql(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
  while (
    (
      await opened.sql(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
      )
    ).length === 0
  );
  const edits = hosts.map((host) =>
    fetch(`http://${host}:${port}/editGroup`, {
      method: 'POST',
      headers: { 'X-APIKEY': testKey, 'Content-Type': 'application/json' },
      body: JSON.stringify({ id, group: { tagName: host } }),
    }),
  );
  while ((await waiting()).length < hosts.length);
  app = undefined;
  const closing = opened.close();
  for (const { status } of await Promise.all(edits)) expect(status).toBe(200);
  await lock;
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
  const lock = opened.sql(
    `DO $$ BEGIN PERFORM FROM groups WHERE id = ${id} FOR UPDATE; PERFORM pg_sleep(2); END $$`,
  );
  while (
    (
      await opened.sql(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
      )
    ).length === 0
  );
  const edit = opened.post('/editGroup', { id, group: { tagName: 'x' } });
  while (
    (
      await opened.sql(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
      )
    ).length === 0
  );
  for (const host of hosts) {
    const { status } = await fetch(`http://${host}:${port}/whoami`, { headers: { 'X-APIKEY': testKey } });
    expect(status).toBe(503);
    expect((await fetch(`http://${host}:${port}/livez`)).status).toBe(200);
  }
  await lock;
  expect((await edit).status).toBe(200);
});

describe('with TLS', () => {
  const certificates = fileURLToPath(new URL('support/certificates/', import.meta.url));

  test('both addresses present the certificate, and a renewed one', async () => {
    const folder = await createTestFolder();
    const [certFile, keyFile] = [join(folder, 'crt'), join(folder, 'key')];
    const use = async (name: string) => {
      await copyFile(join(certificates, `${name}.crt`), certFile);
      await copyFile(join(certificates, `${name}.key`), keyFile);
    };
    await use('first');
    const { port } = await open({ TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile });
    const serialOf = (host: string) =>
      new Promise<string>((resolve, reject) => {
        const options = { rejectUnauthorized: false, agent: false };
        requestTls(`https://${host}:${port}/livez`, options, (response) => {
          const { serialNumber } = (response.socket as TLSSocket).getPeerCertificate();
          response.resume().on('end', () => resolve(`${response.statusCode} ${serialNumber}`));
        })
          .on('error', reject)
          .end();
      });
    const [first] = await Promise.all(hosts.map(serialOf));
    expect(first).toMatch(/^200 /);
    for (const host of hosts) expect(await serialOf(host)).toBe(first);
    await use('second');
    let second = first;
    while (second === first) second = await serialOf(hosts[0]!);
    for (const host of hosts) expect(await serialOf(host)).toBe(second);
  });
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
