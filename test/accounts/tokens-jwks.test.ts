import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { exportJWK, SignJWT, type CryptoKey, type JWK } from 'jose';
import { bearer, createTestAccount, sendWith } from '../support/test-accounts.ts';
import { openTestApp, type TestApp } from '../support/test-app.ts';

const inAMinute = () => Math.floor(Date.now() / 1000) + 60;

describe('with JWT_JWKS_URL', () => {
  const pairs = ['first', 'second'].map((kid) => ({
    kid,
    ...generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  }));
  let published: JWK[] = [];
  let fetched = 0;
  let isAway = false;
  let answerWith: (() => string) | undefined;
  let server: Server;
  let app: TestApp;
  const [first, second] = pairs as [(typeof pairs)[number], (typeof pairs)[number]];
  const issuer = 'https://login.example';

  const publish = async (...shown: typeof pairs) => {
    published = await Promise.all(
      shown.map(async ({ kid, publicKey }) => ({ ...(await exportJWK(publicKey)), kid, alg: 'ES256' })),
    );
  };
  const issue = ({
    kid,
    privateKey,
  }: {
    kid: string;
    privateKey: CryptoKey | (typeof first)['privateKey'];
  }) =>
    new SignJWT({ iss: issuer, aud: 'group-api', sub: 'robot', scope: '*', exp: inAMinute() })
      .setProtectedHeader({ alg: 'ES256', kid })
      .sign(privateKey);

  beforeAll(async () => {
    server = createServer((_request, response) => {
      fetched++;
      if (isAway) response.writeHead(500).end();
      else if (answerWith) response.writeHead(200).end(answerWith());
      else
        response
          .writeHead(200, { 'Content-Type': 'application/json' })
          .end(JSON.stringify({ keys: published }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));
  afterEach(() => app.close());
  const open = async () => {
    fetched = 0;
    isAway = false;
    answerWith = undefined;
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`);
    app = await openTestApp({ JWT_JWKS_URL: url, JWT_ISSUER: issuer, JWT_AUDIENCE: 'group-api' });
  };

  test('the JWKS is fetched once, and again for an unknown key id', async () => {
    await open();
    await publish(first);
    const token = bearer(await issue(first));
    const answers = await Promise.all([1, 2, 3].map(() => sendWith(app, token)));
    expect(answers.map(([status]) => status)).toStrictEqual([200, 200, 200]);
    expect(fetched).toBe(1);
    // An unknown key: for a while no client can cause another fetch.
    await publish(first, second);
    expect((await sendWith(app, bearer(await issue(second))))[0]).toBe(401);
    expect(fetched).toBe(1);
  });

  test('rotated keys are accepted half a minute after the last fetch of the JWKS', async () => {
    await open();
    await publish(first);
    expect((await sendWith(app, bearer(await issue(first))))[0]).toBe(200);
    await publish(second);
    const later = Date.now() + 31_000;
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => later);
    try {
      expect((await sendWith(app, bearer(await issue(second))))[0]).toBe(200);
      expect((await sendWith(app, bearer(await issue(first))))[0]).toBe(401);
      expect(fetched).toBe(2);
    } finally {
      clock.mockRestore();
    }
  });

  test('while the JWKS cannot be fetched, tokens get 503 and API keys work', async () => {
    await open();
    isAway = true;
    const token = bearer(await issue(first));
    expect(await sendWith(app, token)).toStrictEqual([
      503,
      'The keys for tokens (JWKS) cannot be fetched. Try again later',
    ]);
    const { byKey } = await createTestAccount(app, { username: 'key' });
    expect((await sendWith(app, byKey))[0]).toBe(200);
    isAway = false;
    await publish(first);
    // The JWKS is fetched again after a while.
    const later = Date.now() + 6000;
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => later);
    expect((await sendWith(app, token))[0]).toBe(200);
    clock.mockRestore();
  });

  test('a JWKS that becomes unavailable keeps its cached keys', async () => {
    await open();
    await publish(first);
    const token = bearer(await issue(first));
    expect((await sendWith(app, token))[0]).toBe(200);
    isAway = true;
    const later = Date.now() + 11 * 60_000;
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => later);
    try {
      expect((await sendWith(app, bearer(await issue(first))))[0]).toBe(200);
      expect((await sendWith(app, bearer(await issue(second))))[0]).toBe(401);
      // One fetch, and no other for a while.
      expect(fetched).toBe(2);
    } finally {
      clock.mockRestore();
    }
  });

  test.each([
    ['is endless', () => 'x'.repeat(1_000_000)],
    ['is no JSON', () => '<html>'],
    ['has no keys', () => '{"keys":5}'],
  ])('a JWKS that %s is not used: tokens get 503', async (_what, write) => {
    await open();
    answerWith = write;
    const begin = Date.now();
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => sendWith(app, bearer(await issue(first)))),
    );
    expect(answers.map(([status]) => status)).toStrictEqual(Array(20).fill(503));
    expect(Date.now() - begin).toBeLessThan(2500);
    const { byKey } = await createTestAccount(app, { username: 'key' });
    expect((await sendWith(app, byKey))[0]).toBe(200);
  });

  test('a token with another algorithm than its key is rejected', async () => {
    await open();
    await publish(first);
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const forged = await new SignJWT({
      iss: issuer,
      aud: 'group-api',
      sub: 'robot',
      scope: '*',
      exp: inAMinute(),
    })
      .setProtectedHeader({ alg: 'RS256', kid: 'first' })
      .sign(rsa.privateKey);
    expect((await sendWith(app, bearer(forged)))[0]).toBe(401);
  });
});
