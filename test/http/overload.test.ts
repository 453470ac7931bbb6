import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createTestAccount } from '../support/test-accounts.ts';
import { sendIncompleteRequest } from '../support/incomplete-request.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { waitUntil } from '../support/wait-until.ts';
import { openTestApp, testKey, type TestApp } from '../support/test-app.ts';

let app: TestApp;
afterEach(() => app.close());

describe('a rate limit', () => {
  const ask = (headers: Record<string, string> = {}) => app.post('/allGroups', {}, headers);

  test("an account's rate limit is separate, reported in headers, and enforced with 429", async () => {
    app = await openTestApp({ RATE_LIMIT_PER_ACCOUNT: 3 });
    const { byKey } = await createTestAccount(app, { username: 'other' });
    for (const remaining of ['2', '1', '0']) {
      const { status, headers } = await ask();
      expect([status, headers.get('ratelimit-limit'), headers.get('ratelimit-remaining')]).toStrictEqual([
        200,
        '3',
        remaining,
      ]);
      expect(Number(headers.get('ratelimit-reset'))).toBeGreaterThan(50);
    }
    const refused = await ask();
    expect([refused.status, refused.body]).toStrictEqual([
      429,
      {
        errors: [
          {
            message: 'Too many requests from your account; 3 a minute are allowed. Try again later',
            extensions: { code: 'RATE_LIMITED' },
          },
        ],
      },
    ]);
    expect(refused.headers.get('retry-after')).toBe(refused.headers.get('ratelimit-reset'));
    expect((await ask(byKey)).status).toBe(200);
  });

  test("an address's rate limit counts every caller from there, but no health checks", async () => {
    app = await openTestApp({
      RATE_LIMIT_PER_ADDRESS: 3,
      RATE_LIMIT_PER_ACCOUNT: 100,
      TRUST_PROXY: ['127.0.0.1'],
    });
    const statuses = [];
    for (let count = 0; count < 5; count++)
      statuses.push((await ask({ 'X-APIKEY': count < 2 ? '' : 'x' })).status);
    expect(statuses).toStrictEqual([401, 401, 401, 429, 429]);
    const elsewhere = await ask({ 'X-Forwarded-For': '192.0.2.1' });
    // Of two limits the headers show the one that is reached first.
    expect([elsewhere.status, elsewhere.headers.get('ratelimit-limit')]).toStrictEqual([200, '3']);
    for (let count = 0; count < 5; count++) expect((await app.send('/livez')).status).toBe(200);
  });

  test('there is no rate limit by default', async () => {
    app = await openTestApp();
    expect((await ask()).headers.get('ratelimit-limit')).toBeNull();
  });
});

describe('overload protection', () => {
  test('rejects requests above MAX_CONCURRENT_REQUESTS with 503; in-flight requests and health checks succeed', async () => {
    app = await openTestApp({ MAX_CONCURRENT_REQUESTS: 2 });
    const id = await app.createGroup();
    const locker = await openSecondConnection(app);
    await locker.lockGroup(id);
    const waiting = [app.post('/deleteGroup', { id }), app.post('/deleteGroup', { id })];
    await waitUntil(async () => (await app.post('/allGroups', {})).status === 503);

    const refused = await app.post('/allGroups', {});
    expect([
      refused.status,
      refused.headers.get('retry-after'),
      refused.headers.get('x-request-id'),
    ]).toStrictEqual([503, '1', expect.any(String)]);
    expect(refused.body).toStrictEqual({
      errors: [
        {
          message: 'The server is overloaded. Try again later',
          extensions: { code: 'SERVICE_UNAVAILABLE' },
        },
      ],
    });
    for (const path of ['/livez', '/readyz']) expect((await app.send(path)).status).toBe(200);

    await locker.close();
    const statuses = (await Promise.all(waiting)).map(({ status }) => status);
    expect(statuses.toSorted((a, b) => a - b)).toStrictEqual([200, 404]);
    expect((await app.post('/allGroups', {})).status).toBe(200);
  });

  test('requests that clients send slowly do not count', async () => {
    app = await openTestApp({ MAX_CONCURRENT_REQUESTS: 2 });
    const sockets = await Promise.all(
      Array.from({ length: 20 }, () => sendIncompleteRequest(app.httpUrl, '/deleteGroup')),
    );
    expect((await app.post('/allGroups', {})).status).toBe(200);
    for (const socket of sockets) socket.destroy();
  });

  test('a page of an allowed origin can read the 503', async () => {
    app = await openTestApp({ MAX_CONCURRENT_REQUESTS: 1, CORS_ORIGINS: ['https://shop.example'] });
    const id = await app.createGroup();
    const locker = await openSecondConnection(app);
    await locker.lockGroup(id);
    const waiting = app.post('/deleteGroup', { id });
    await locker.waitForBlocked();
    for (const [origin, allowed] of [
      ['https://shop.example', 'https://shop.example'],
      ['https://other.example', null],
    ] as const) {
      const refused = await app.post('/allGroups', {}, { Origin: origin, 'X-Request-Id': 'mine' });
      expect([refused.status, refused.headers.get('x-request-id')]).toStrictEqual([503, 'mine']);
      expect(refused.headers.get('access-control-allow-origin')).toBe(allowed);
    }
    await locker.close();
    await waiting;
  });

  test('frees the slots of pipelined requests when the connection closes, and shutdown is not delayed', async () => {
    app = await openTestApp({ MAX_CONCURRENT_REQUESTS: 20, FAILED_SIGN_INS_PER_MINUTE: 100_000 });
    const { port } = new URL(app.httpUrl);
    for (const key of [testKey, 'unknown', testKey]) {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => undefined);
      const request = `GET /graphql?query={__typename} HTTP/1.1\r\nHost: x\r\nX-APIKEY: ${key}\r\n\r\n`;
      socket.write(request.repeat(50), () => setTimeout(() => socket.destroy(), 1));
      await once(socket, 'close');
    }
    await waitUntil(async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => app.post('/allGroups', {})));
      return answers.every(({ status }) => status === 200);
    });
    const begin = Date.now();
    await app.close();
    // With requests in flight it would wait 8 s.
    expect(Date.now() - begin).toBeLessThan(6000);
    app = await openTestApp();
  });

  test('frees the slot of a request whose client disconnects', async () => {
    app = await openTestApp({ MAX_CONCURRENT_REQUESTS: 1 });
    const id = await app.createGroup();
    const locker = await openSecondConnection(app);
    await locker.lockGroup(id);
    const leaving = new AbortController();
    const left = app.send('/deleteGroup', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ id }),
      signal: leaving.signal,
    });
    await locker.waitForBlocked();
    expect((await app.post('/serviceGroups', {})).status).toBe(503);
    leaving.abort();
    await expect(left).rejects.toThrow();
    await waitUntil(async () => (await app.post('/serviceGroups', {})).status === 200);
    await locker.close();
  });

  test('rejects requests with 503 while the event loop is delayed, and accepts them afterwards', async () => {
    app = await openTestApp({ MAX_EVENT_LOOP_DELAY_MS: 20 });
    const end = performance.now() + 2500;
    while (performance.now() < end) {
      const busyUntil = performance.now() + 100;
      while (performance.now() < busyUntil);
      await sleep(1);
    }
    expect((await app.post('/allGroups', {})).status).toBe(503);
    await waitUntil(async () => (await app.post('/allGroups', {})).status === 200);
  });
});
