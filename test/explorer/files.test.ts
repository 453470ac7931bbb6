import { describe, expect, test } from '@jest/globals';
import { createTestAccount } from '../support/test-accounts.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();

const errorWith = (code: string) => ({
  errors: [expect.objectContaining({ extensions: expect.objectContaining({ code }) })],
});

describe('the files of the explorer', () => {
  test('the files of the explorer are public, compressed and revalidated', async () => {
    const page = await fetch(`${app.httpUrl}/`);
    expect([page.status, page.headers.get('content-type')]).toStrictEqual([200, 'text/html; charset=utf-8']);
    const files = [...(await page.text()).matchAll(/(?:src|href)="(explorer\/[^"]+)"/g)].map(
      ([, file]) => file,
    );
    expect(files).toHaveLength(2);
    for (const file of files) {
      const response = await fetch(`${app.httpUrl}/${file}`);
      expect([file, response.status, response.headers.get('content-encoding')]).toStrictEqual([
        file,
        200,
        'gzip',
      ]);
      expect(response.headers.get('cache-control')).toBe('no-cache');
      expect((await response.text()).length).toBeGreaterThan(1000);
      const again = await fetch(`${app.httpUrl}/${file}`, {
        // The headers of browsers; without the second one `fetch` requests the whole file.
        headers: { 'If-None-Match': response.headers.get('etag')!, 'Cache-Control': 'max-age=0' },
      });
      expect([again.status, (await again.text()).length]).toStrictEqual([304, 0]);
    }
  });

  test.each([
    '/explorer/',
    '/explorer/nothing.js',
    '/explorer/..%2f..%2fpackage.json',
    '/explorer/%2e%2e%2fmain.js',
  ])('no other file is served: %s', async (path) => {
    const response = await fetch(app.httpUrl + path);
    expect([response.status, await response.json()]).toStrictEqual([404, errorWith('PATH_NOT_FOUND')]);
  });
});

describe('GET /whoami', () => {
  test('GET /whoami returns the account, its kind of credential and its scopes', async () => {
    const { status, body } = await app.send('/whoami');
    expect([status, body]).toStrictEqual([200, { account: 'admin', credential: 'api-key', scopes: ['*'] }]);
    const { byPassword } = await createTestAccount(app, {
      username: 'clerk',
      password: 'Aa123456',
      scopes: ['groups:read', 'audit:read'],
    });
    const response = await fetch(`${app.httpUrl}/whoami`, { headers: byPassword });
    expect(await response.json()).toStrictEqual({
      account: 'clerk',
      credential: 'basic',
      scopes: ['groups:read', 'audit:read'],
    });
  });

  test('GET /whoami without credentials is rejected with 401', async () => {
    const response = await fetch(`${app.httpUrl}/whoami`);
    expect([response.status, await response.json()]).toStrictEqual([401, errorWith('UNAUTHENTICATED')]);
  });
});
