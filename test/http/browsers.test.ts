import { describe, expect, test } from '@jest/globals';
import { createTestAccount } from '../support/test-accounts.ts';
import { openTestApp, testKey, useTestApp, type TestApp } from '../support/test-app.ts';

const sandbox = 'https://studio.apollographql.com';
const shop = 'https://shop.example';
const app = useTestApp();

const preflight = ({ httpUrl }: TestApp, origin: string, path = '/graphql') =>
  fetch(httpUrl + path, {
    method: 'OPTIONS',
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'content-type,x-apikey,idempotency-key',
    },
  });
const post = (
  { httpUrl }: TestApp,
  origin: string,
  headers: Record<string, string> = { 'X-APIKEY': testKey },
) =>
  fetch(`${httpUrl}/allGroups`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Origin: origin, ...headers },
    body: '{}',
  });
const allowedOf = (response: Response) => response.headers.get('access-control-allow-origin');

describe('pages of other origins', () => {
  test.each(['/graphql', '/deleteGroup'])(
    'Apollo Sandbox may call a server on loopback at %s',
    async (path) => {
      const asked = await preflight(app, sandbox, path);
      expect(asked.status).toBe(204);
      expect(allowedOf(asked)).toBe(sandbox);
      expect(asked.headers.get('access-control-allow-headers')).toBe('content-type,x-apikey,idempotency-key');
      expect(asked.headers.get('access-control-allow-methods')).toBe('GET, POST, PUT, DELETE');
      expect(asked.headers.get('access-control-allow-credentials')).toBeNull();
      const answer = await post(app, sandbox);
      expect([answer.status, allowedOf(answer)]).toStrictEqual([200, sandbox]);
      expect(answer.headers.get('access-control-expose-headers')).toContain('X-Request-Id');
    },
  );

  test('pages of allowed origins can read error responses', async () => {
    const answer = await post(app, sandbox, {});
    expect([answer.status, allowedOf(answer)]).toStrictEqual([401, sandbox]);
  });

  test.each([
    shop,
    'https://studio.apollographql.com.evil.example',
    'http://studio.apollographql.com',
    'null',
  ])('pages of %s may not call the server', async (origin) => {
    expect(allowedOf(await preflight(app, origin))).toBeNull();
    expect(allowedOf(await post(app, origin))).toBeNull();
  });

  test('origins in CORS_ORIGINS are allowed, and no others', async () => {
    const open = await openTestApp({ CORS_ORIGINS: [shop] });
    expect(allowedOf(await preflight(open, shop))).toBe(shop);
    expect(allowedOf(await preflight(open, sandbox))).toBeNull();
    expect((await post(open, shop)).headers.get('vary')).toContain('Origin');
    await open.close();
    const any = await openTestApp({ CORS_ORIGINS: ['*'] });
    expect(allowedOf(await preflight(any, 'https://anything.example'))).toBe('*');
    await any.close();
  });

  test('without CORS origins no page may call the server', async () => {
    const closed = await openTestApp({ CORS_ORIGINS: [] });
    const asked = await preflight(closed, sandbox);
    expect([asked.status, allowedOf(asked)]).toStrictEqual([401, null]);
    await closed.close();
  });

  test('CSRF: a form or a link with stored credentials is rejected', async () => {
    for (const type of [
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'text/plain',
      'text/plain; application/json',
      '',
    ]) {
      const response = await fetch(`${app.httpUrl}/deleteGroup`, {
        method: 'POST',
        headers: { ...(type && { 'Content-Type': type }), Authorization: `Bearer ${testKey}` },
        body: new TextEncoder().encode('{"id":1}'),
      });
      expect([type, response.status]).toStrictEqual([type, 415]);
    }
    const { byPassword } = await createTestAccount(app, { username: 'visitor', password: 'Aa123456' });
    const link = `${app.httpUrl}/graphql?query={__typename}`;
    const followed = await fetch(link, { headers: byPassword });
    expect([followed.status, await followed.text()]).toStrictEqual([400, expect.stringContaining('CSRF')]);
    const asked = await fetch(link, { headers: { ...byPassword, 'Apollo-Require-Preflight': '1' } });
    expect(asked.status).toBe(200);
  });
});

describe('security headers', () => {
  const pageHeaders = [
    'content-security-policy',
    'cross-origin-opener-policy',
    'origin-agent-cluster',
    'referrer-policy',
    'x-dns-prefetch-control',
    'x-download-options',
    'x-frame-options',
    'x-permitted-cross-domain-policies',
    'x-xss-protection',
  ];

  test.each([
    ['the explorer', '/', 200],
    ['a file of the explorer', '/explorer/index.html', 200],
    ['a missing file of the explorer', '/explorer/missing.js', 404],
  ])('%s has those of a page and is revalidated', async (_what, path, status) => {
    const response = await fetch(app.httpUrl + path);
    const { headers } = response;
    expect(response.status).toBe(status);
    const policy = headers.get('content-security-policy')!;
    for (const part of [
      "default-src 'self'",
      "object-src 'none'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
      "form-action 'none'",
    ])
      expect(policy).toContain(part);
    expect(policy).not.toContain("script-src 'unsafe");
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(pageHeaders.filter((name) => !headers.has(name))).toStrictEqual([]);
    expect(headers.get('cache-control')).toBe('no-cache');
    expectCommonHeaders(headers);
  });

  test.each([
    ['a health check', '/livez', 200],
    ['an error', '/graphql', 401],
    ['an unknown path', '/nothing', 404],
  ])('%s has nosniff and no-store, and none of those of a page', async (_what, path, status) => {
    const response = await fetch(app.httpUrl + path);
    expect(response.status).toBe(status);
    expect(pageHeaders.filter((name) => response.headers.has(name))).toStrictEqual([]);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expectCommonHeaders(response.headers);
  });

  function expectCommonHeaders(headers: Headers): void {
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('strict-transport-security')).toBeNull();
    expect(headers.get('x-powered-by')).toBeNull();
    expect(headers.get('x-request-id')).toMatch(/\S/);
  }
});
