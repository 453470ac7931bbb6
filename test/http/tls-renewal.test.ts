import { copyFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openTestApp, testKey, type TestApp } from '../support/test-app.ts';
import { createTestFolder } from '../support/test-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

// The server checks every few seconds whether its certificate was renewed.
const certificates = fileURLToPath(new URL('../support/certificates/', import.meta.url));
let dir: string;
let app: TestApp;
const place = async (name: string) => {
  await copyFile(`${certificates}${name}.crt`, join(dir, 'crt'));
  await copyFile(`${certificates}${name}.key`, join(dir, 'key'));
};
const open = async (settings: Parameters<typeof openTestApp>[0] = {}) => {
  app = await openTestApp({ TLS_CERT_FILE: join(dir, 'crt'), TLS_KEY_FILE: join(dir, 'key'), ...settings });
};
beforeEach(async () => {
  dir = await createTestFolder();
  await place('first');
});
afterEach(() => app.close());

/** Sends a request, and returns the common name of the certificate. */
const readCertificate = (host = '127.0.0.1') =>
  new Promise<string>((resolve, reject) => {
    const url = `https://${host}:${new URL(app.httpUrl).port}/allGroups`;
    const headers = { 'X-APIKEY': testKey, 'Content-Type': 'application/json' };
    request(url, { method: 'POST', headers, rejectUnauthorized: false, agent: false })
      .on('response', (response) => {
        const name = (response.socket as TLSSocket).getPeerCertificate().subject.CN as string;
        response.resume().on('end', () => resolve(`${response.statusCode} ${name}`));
      })
      .on('error', reject)
      .end('{}');
  });
const first = '200 first for tests';
const second = '200 second for tests';

test('HTTPS reloads a renewed certificate while it runs, and keeps the old one until both files match', async () => {
  await open();
  await writeFile(join(dir, 'crt'), 'half of a file');
  // Longer than the time between two checks.
  await sleep(6000);
  expect(await readCertificate()).toBe(first);
  await place('second');
  await waitUntil(async () => (await readCertificate()) === second);
});

test('with HOST=localhost both addresses present the certificate, and a renewed one', async () => {
  const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ address }) => address === '::1'),
  );
  const hosts = hasIpv6 ? ['127.0.0.1', '[::1]'] : ['127.0.0.1'];
  await open({ HOST: 'localhost' });
  for (const host of hosts) expect(await readCertificate(host)).toBe(first);
  await place('second');
  await waitUntil(async () => (await readCertificate()) === second);
  for (const host of hosts) expect(await readCertificate(host)).toBe(second);
});
