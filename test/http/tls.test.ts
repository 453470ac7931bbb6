import { copyFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openTestApp, testKey, type TestApp } from '../support/test-app.ts';
import { useTestFolder } from '../support/test-folder.ts';

/** Two self-signed certificates, valid for a century. */
const certificates = fileURLToPath(new URL('../support/certificates/', import.meta.url));
const dir = useTestFolder();
const place = async (name: string) => {
  await copyFile(`${certificates}${name}.crt`, join(dir, 'crt'));
  await copyFile(`${certificates}${name}.key`, join(dir, 'key'));
};

describe('HTTPS', () => {
  let app: TestApp;
  beforeAll(async () => {
    await place('first');
    app = await openTestApp({ TLS_CERT_FILE: join(dir, 'crt'), TLS_KEY_FILE: join(dir, 'key') });
  });
  afterAll(() => app.close());

  const ask = (path: string, body: string) =>
    new Promise<{ status: number | undefined; certificate: string; security: unknown }>((resolve, reject) => {
      const headers = { 'X-APIKEY': testKey, 'Content-Type': 'application/json' };
      request(app.httpUrl + path, { method: 'POST', headers, rejectUnauthorized: false, agent: false })
        .on('response', (response) => {
          response.resume();
          resolve({
            status: response.statusCode,
            certificate: (response.socket as TLSSocket).getPeerCertificate().subject.CN as string,
            security: response.headers['strict-transport-security'],
          });
        })
        .on('error', reject)
        .end(body);
    });

  test('presents its certificate, and sends Strict-Transport-Security', async () => {
    expect(app.httpUrl).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(await ask('/allGroups', '{}')).toStrictEqual({
      status: 200,
      certificate: 'first for tests',
      security: expect.stringMatching(/^max-age=\d{8}/),
    });
  });

  test('rejects plain HTTP', async () => {
    await expect(fetch(app.httpUrl.replace('https', 'http'))).rejects.toThrow();
  });
});

describe('invalid TLS files stop the start', () => {
  test.each([
    ['a missing certificate file', 'none', 'first.key', /^TLS_CERT_FILE must be a readable file: ENOENT/],
    ['a missing key file', 'first.crt', 'none', /^TLS_KEY_FILE must be a readable file: ENOENT/],
    [
      "another certificate's key",
      'first.crt',
      'second.key',
      /^TLS_CERT_FILE and TLS_KEY_FILE must be a certificate and its key/,
    ],
    [
      'the key in place of the certificate',
      'first.key',
      'first.key',
      /^TLS_CERT_FILE and TLS_KEY_FILE must be/,
    ],
  ])('%s', async (_what, certFile, keyFile, message) => {
    const files = { TLS_CERT_FILE: certificates + certFile, TLS_KEY_FILE: certificates + keyFile };
    await expect(openTestApp(files)).rejects.toThrow(message);
  });
});
