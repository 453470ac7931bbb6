import { connect } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { requestFinished } from '../../src/measurements/channels.ts';
import type { RequestSummary } from '../../src/measurements/request-summary.ts';
import { plainGroup, testKey, useTestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

const app = useTestApp({ REQUEST_TIMEOUT_SECONDS: 3 });

test('credentials are checked before the body', async () => {
  const response = await fetch(`${app.httpUrl}/deleteGroup`, {
    method: 'POST',
    body: 'x'.repeat(2 * 1024 * 1024),
  });
  expect(response.status).toBe(401);
});

describe('public without credentials', () => {
  test.each([
    ['/livez', { status: 'live' }],
    ['/readyz', { status: 'ready' }],
  ])('%s', async (path, body) => {
    const response = await fetch(app.httpUrl + path);
    expect([response.status, await response.json()]).toStrictEqual([200, body]);
  });

  test('/ links to the API', async () => {
    const response = await fetch(app.httpUrl);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(await response.text()).toContain('/graphql');
  });
});

describe('the media type of the response decides the status at /graphql', () => {
  const cases: [string, object, number][] = [
    ['a syntax error', { query: '{' }, 400],
    ['an unknown field', { query: '{ nothing }' }, 400],
    [
      'a variable of a wrong type',
      { query: 'query ($id: Int) { group(id: $id) { id } }', variables: { id: 'x' } },
      400,
    ],
    ['an unknown operation', { query: '{ allGroups { id } }', operationName: 'other' }, 400],
    ['a missing group', { query: '{ group(id: 999999) { id } }' }, 200],
    ['a success', { query: '{ allGroups { id } }' }, 200],
  ];
  test.each(cases)('%s', async (_what, body, status) => {
    const json = await app.post('/graphql', body, { Accept: 'application/json' });
    expect(json.status).toBe(200);
    expect(json.headers.get('content-type')).toBe('application/json; charset=utf-8');
    const graphql = await app.post('/graphql', body, { Accept: 'application/graphql-response+json' });
    expect(graphql.status).toBe(status);
    expect(graphql.headers.get('content-type')).toBe('application/graphql-response+json; charset=utf-8');
    expect(graphql.body).toStrictEqual(json.body);
  });
});

describe('an error before GraphQL has the media type of GraphQL responses', () => {
  const [graphql, json] = ['application/graphql-response+json', 'application/json'];
  test.each([
    [`${graphql},${json};q=0.9`, graphql],
    [`${graphql}, application/graphql+json, ${json}, text/event-stream`, graphql],
    [`${json};q=0.5, ${graphql}`, graphql],
    [`${json}, ${graphql}`, json],
    [`${graphql};q=0.5, ${json}`, json],
    [`${graphql};q=0, ${json}`, json],
    [json, json],
    ['*/*', json],
  ])('%s', async (accept, type) => {
    for (const key of [testKey, 'a-wrong-key']) {
      const { headers } = await app.post(
        '/graphql',
        { query: '{ __typename }' },
        { Accept: accept, 'X-APIKEY': key },
      );
      expect([key, headers.get('content-type')]).toStrictEqual([key, `${type}; charset=utf-8`]);
    }
  });
});

describe('rejects', () => {
  const post = (body: string, headers: Record<string, string>) =>
    app.send('/graphql', { method: 'POST', body, headers });
  const json = { 'Content-Type': 'application/json' };

  test.each([
    [
      'a body over 1 MiB',
      () => post(JSON.stringify({ query: ' '.repeat(1024 * 1024) }), json),
      413,
      'PAYLOAD_TOO_LARGE',
    ],
    ['a body that is not JSON', () => post('{', json), 400, 'BAD_REQUEST'],
    ['an empty body', () => post('', json), 400, 'BAD_REQUEST'],
    ['a prototype in the body', () => post('{"__proto__":{"query":"{x}"}}', json), 400, 'BAD_REQUEST'],
    ['a batch', () => post('[{"query":"{ __typename }"}]', json), 400, 'BAD_REQUEST'],
    [
      'a form',
      () => post('query={}', { 'Content-Type': 'application/x-www-form-urlencoded' }),
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    ['a plain text', () => post('{}', { 'Content-Type': 'text/plain' }), 415, 'UNSUPPORTED_MEDIA_TYPE'],
    [
      'a mutation by GET',
      () => app.send('/graphql?query=mutation{deleteGroup(id:1){id}}'),
      405,
      'BAD_REQUEST',
    ],
    ['another method', () => app.send('/graphql', { method: 'DELETE' }), 405, 'METHOD_NOT_ALLOWED'],
    ['an invalid path', () => app.send('/%'), 400, 'BAD_REQUEST'],
    [
      'a persisted query',
      () => post('{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"aa"}}}', json),
      200,
      'PERSISTED_QUERY_NOT_SUPPORTED',
    ],
    ['an unknown path', () => app.send('/nothing?secret=1'), 404, 'PATH_NOT_FOUND'],
  ])('%s', async (_what, send, status, code) => {
    const answer = await send();
    expect(answer.status).toBe(status);
    expect(answer.body.errors[0].extensions.code).toBe(code);
    expect(JSON.stringify(answer.body)).not.toMatch(/Apollo|fastify|FST_|secret|node_modules/i);
    if (status === 405) expect(answer.headers.get('allow')).toBeTruthy();
  });

  test('CSRF: a query by GET without a header that a form cannot send', async () => {
    const response = await fetch(`${app.httpUrl}/graphql?query={__typename}`);
    expect(response.status).toBe(401);
  });
});

describe('request ids', () => {
  test('every response has a request id', async () => {
    const ids = await Promise.all(
      ['/livez', '/nothing', '/graphql'].map(async (path) =>
        (await fetch(app.httpUrl + path)).headers.get('x-request-id'),
      ),
    );
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^[\da-f-]{36}$/);
  });

  test.each([
    ['trace-1:a.b', true],
    ['x'.repeat(129), false],
    ['a b', false],
    ['a"b', false],
  ])("the caller's request id %s is accepted: %s", async (id, isTaken) => {
    const answer = await app.send('/livez', { headers: { 'X-Request-Id': id } });
    expect(answer.headers.get('x-request-id') === id).toBe(isTaken);
  });
});

test('an internal error is masked, with the request id to find it in the log', async () => {
  await app.sql('ALTER TABLE groups RENAME COLUMN name TO renamed');
  try {
    const answer = await app.post('/allGroups', {}, { 'X-Request-Id': 'find-me' });
    expect(answer.status).toBe(500);
    expect(answer.body.errors).toStrictEqual([
      {
        message: 'Internal server error',
        path: ['allGroups'],
        extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: 'find-me' },
      },
    ]);
  } finally {
    await app.sql('ALTER TABLE groups RENAME COLUMN renamed TO name');
  }
});

describe('slow clients', () => {
  /** Sends an incomplete request, and returns the response and the elapsed time. */
  const sendSlowly = (text: string) =>
    new Promise<{ answer: string; milliseconds: number }>((resolve, reject) => {
      const { port } = new URL(app.httpUrl);
      const start = Date.now();
      let answer = '';
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(text));
      socket.on('data', (data) => (answer += data.toString()));
      socket.on('close', () => resolve({ answer, milliseconds: Date.now() - start }));
      socket.on('error', reject);
    });

  test.each([
    ['GARBAGE\r\n\r\n', '400 Bad Request', 'BAD_REQUEST'],
    [
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      '431 Request Header Fields Too Large',
      'BAD_REQUEST',
    ],
  ])('a malformed HTTP request gets the same error format (case %#)', async (text, status, code) => {
    const { answer } = await sendSlowly(text);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status}[^]*X-Request-Id: [^]*"${code}"`));
  });

  test.each([
    ['in its headers', 'POST /graphql HTTP/1.1\r\nHost: x\r\n', 1000],
    [
      'in its body',
      `POST /graphql HTTP/1.1\r\nHost: x\r\nX-APIKEY: ${testKey}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
      3000,
    ],
  ])(
    'a client that stops %s is disconnected; other requests succeed meanwhile',
    async (where, text, limitMs) => {
      const summaries: Readonly<RequestSummary>[] = [];
      const addSlow = (summary: Readonly<RequestSummary>) => {
        if (summary.route === '/graphql') summaries.push({ ...summary });
      };
      requestFinished.subscribe(addSlow);
      const slow = sendSlowly(text);
      expect((await app.post('/createGroup', { group: plainGroup })).status).toBe(200);
      const { answer, milliseconds } = await slow;
      expect(answer).toMatch(/^HTTP\/1\.1 408[^]*X-Request-Id: [^]*"REQUEST_TIMEOUT"/);
      expect(milliseconds).toBeGreaterThanOrEqual(limitMs - 50);
      expect(milliseconds).toBeLessThan(limitMs + 2500);
      // A request begins with the end of its headers.
      await waitUntil(() => where !== 'in its body' || summaries.length > 0);
      requestFinished.unsubscribe(addSlow);
      for (const summary of summaries) {
        const { status, errorCode, isAborted, receiveMs, durationMs } = summary;
        expect([status, errorCode, isAborted]).toStrictEqual([408, 'REQUEST_TIMEOUT', false]);
        expect(receiveMs).toBe(durationMs);
      }
    },
  );
});
