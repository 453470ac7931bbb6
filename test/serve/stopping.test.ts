import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { readLogLines } from '../support/log-lines.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { plainGroup, testKey, type Json } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { waitUntil } from '../support/wait-until.ts';

test('a signal ends a start that waits for the migration of another server, and nothing is migrated', async () => {
  const database = await createTestDatabase({ isEmpty: true });
  const migrationLock = 72_707_369;
  try {
    await database.sql(`SELECT pg_advisory_lock(${migrationLock})`);
    const server = startServer({ DATABASE_URL: database.url });
    await waitUntil(() => server.stderr().includes('Waiting for another program that is migrating'));
    server.kill('SIGTERM');
    expect(await server.exited).toMatchObject({ code: 0 });
    expect(await database.sql('SELECT FROM pg_tables WHERE schemaname = $1', ['public'])).toStrictEqual([]);
  } finally {
    await database.drop();
  }
});

test('a stop of eleven workers during SHUTDOWN_DELAY_SECONDS writes no warning of Node', async () => {
  const database = await createTestDatabase();
  try {
    const server = startServer({
      DATABASE_URL: database.url,
      ADMIN_API_KEY: testKey,
      WORKERS: '11',
      DATABASE_POOL_SIZE: '11',
      SHUTDOWN_DELAY_SECONDS: '2',
    });
    await server.ready;
    server.kill('SIGTERM');
    const { code, stderr } = await server.exited;
    expect([code, stderr.includes('MaxListenersExceededWarning')]).toStrictEqual([0, false]);
  } finally {
    await database.drop();
  }
}, 180_000);

describe.each(['1', '2'])('with WORKERS=%s, SHUTDOWN_DELAY_SECONDS', (workers) => {
  // Several processes take long to start on a busy machine.
  jest.setTimeout(180_000);
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  const start = async (delaySeconds: number) => {
    const server = startServer({
      DATABASE_URL: database.url,
      ADMIN_API_KEY: testKey,
      WORKERS: workers,
      SHUTDOWN_DELAY_SECONDS: String(delaySeconds),
      MAX_EVENT_LOOP_DELAY_MS: '60000',
      REQUEST_TIMEOUT_SECONDS: '120',
    });
    running = server;
    return { server, url: (await server.ready).url };
  };
  let running: ServerProcess | undefined;
  afterEach(async () => {
    running?.kill('SIGKILL');
    await running?.exited;
  });
  const isStopping = async (url: string) => (await send(url, '/readyz')).status === 503;

  test('requests are served while /readyz is 503; a second signal ends that, and requests in flight are completed', async () => {
    const { server, url } = await start(600);
    expect(await send(url, '/readyz')).toStrictEqual({ status: 200, body: { status: 'ready' } });
    const id = await createGroup(url);
    server.kill('SIGTERM');
    // A key stroke may arrive twice.
    server.kill('SIGINT');
    await waitUntil(async () => {
      const states = await Promise.all([1, 2, 3, 4].map(() => isStopping(url)));
      return states.every(Boolean);
    });
    // Each on a new connection: of several workers the next one.
    for (let count = 0; count < 4; count++) {
      expect(await send(url, '/readyz')).toStrictEqual({
        status: 503,
        body: { status: 'unavailable', reason: 'shutting-down' },
      });
      expect((await send(url, '/livez')).status).toBe(200);
      expect((await send(url, '/deleteGroup', { id: await createGroup(url) })).status).toBe(200);
    }
    const sent = request(`${url}/deleteGroup`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-APIKEY': testKey, Expect: '100-continue' },
    });
    sent.flushHeaders();
    await once(sent, 'continue');
    const responded = once(sent, 'response');
    // Connections that arrive during the stop are closed before the request in flight is complete.
    await waitUntil(async () => {
      server.kill('SIGINT');
      const calls = Array.from({ length: 6 }, () => send(url, '/livez'));
      const states = await Promise.race([
        Promise.allSettled(calls),
        responded.then(() => [{ status: 'fulfilled' }]),
      ]);
      return states.every(({ status }) => status === 'rejected');
    });
    sent.end(JSON.stringify({ id }));
    const [response] = await responded;
    response.resume();
    expect(response.statusCode).toBe(200);
    expect(await server.exited).toMatchObject({ code: 0 });
    expect(readLogLines(server).filter(({ msg }) => /killed/.test(msg))).toStrictEqual([]);
  });

  test('the server stops by itself once the delay is over, and not before', async () => {
    const { server } = await start(2);
    const sentAt = Date.now();
    server.kill('SIGTERM');
    expect(await server.exited).toMatchObject({ code: 0 });
    expect(Date.now() - sentAt).toBeGreaterThanOrEqual(2000);
  });
});

async function createGroup(url: string): Promise<number> {
  const { body } = await send(url, '/createGroup', { group: plainGroup });
  return body.data.createGroup.id;
}

/** Sends a request on a new connection. */
function send(url: string, path: string, body?: object): Promise<{ status: number; body: Json }> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json', 'X-APIKEY': testKey };
    const options = { method: body ? 'POST' : 'GET', headers, agent: new Agent({ keepAlive: false }) };
    request(url + path, options)
      .on('response', (response) => {
        let text = '';
        response
          .on('data', (chunk: Buffer) => (text += chunk.toString()))
          .on('end', () => resolve({ status: response.statusCode!, body: JSON.parse(text) }))
          .on('error', reject);
      })
      .on('error', reject)
      .end(body && JSON.stringify(body));
  });
}
