import { connect } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { groupsPath } from '../support/autodialer.ts';
import { testKey, useTestApp } from '../support/test-app.ts';

// Rules for every path: unknown paths, caching, and the format of errors.
const app = useTestApp({ CORS_ORIGINS: ['https://shop.example'] });

const key = `X-APIKEY: ${testKey}\r\n`;

/** Sends text over a socket, and returns the response. */
const talk = (text: string) =>
  new Promise<{ status: number; head: string; body: string }>((resolve, reject) => {
    let received = '';
    const socket = connect(Number(new URL(app.httpUrl).port), '127.0.0.1', () => socket.write(text));
    socket.on('data', (chunk) => {
      received += chunk.toString();
      const [head = '', body = ''] = received.split(/\r\n\r\n([^]*)/);
      const length = /content-length: (\d+)/i.exec(head)?.[1];
      if (
        head.startsWith('HTTP/1.1 204') ||
        (length !== undefined && Buffer.byteLength(body) >= Number(length))
      )
        socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => {
      const [head = '', body = ''] = received.split(/\r\n\r\n([^]*)/);
      resolve({ status: Number(head.split(' ')[1]), head, body });
    });
  });
const headerOf = (head: string, name: string) => new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1];

describe('an unknown path returns PATH_NOT_FOUND, never the code of a missing group', () => {
  test.each([
    '/deleteGroup/',
    '/deletegroup',
    '/DeleteGroup',
    '/deleteGroup/5',
    '//deleteGroup',
    '/graphql/',
    '/nothing',
    '/explorer/nothing.js',
    '/api/v4',
    '/livez/',
  ])('POST %s', async (path) => {
    const { status, body, headers } = await app.post(path, { id: 999_999 });
    expect([status, body]).toStrictEqual([
      404,
      {
        errors: [{ message: `No route for POST ${path}`, extensions: { code: 'PATH_NOT_FOUND' } }],
      },
    ]);
    expect(headers.get('cache-control')).toBe('no-store');
  });

  test('a missing group returns NOT_FOUND', async () => {
    const { status, body } = await app.post('/deleteGroup', { id: 999_999 });
    expect([status, body.errors[0].extensions.code]).toStrictEqual([404, 'NOT_FOUND']);
  });

  test("an unknown path below /api/v4/ returns the vendor's error", async () => {
    for (const path of ['/api/v4/', '/api/v4/autodialer', `${groupsPath}/Remove`, `${groupsPath}/remove/`])
      expect([path, (await app.post(path, {})).status]).toStrictEqual([path, 501]);
  });
});

describe('another method of a path is rejected with 405 and the allowed methods', () => {
  test.each([
    ['POST', '/livez', 'GET, HEAD, OPTIONS'],
    ['DELETE', '/readyz', 'GET, HEAD, OPTIONS'],
    ['PUT', '/whoami', 'GET, HEAD, OPTIONS'],
    ['POST', '/schema.graphql', 'GET, HEAD, OPTIONS'],
    ['POST', '/', 'GET, HEAD, OPTIONS'],
    ['DELETE', '/graphql', 'GET, POST'],
    ['GET', '/deleteGroup', 'POST'],
    ['PATCH', `${groupsPath}/remove`, 'POST, DELETE'],
  ])('%s %s', async (method, path, allow) => {
    const { status, headers } = await app.send(path, { method });
    expect([status, headers.get('allow')]).toStrictEqual([405, allow]);
  });
});

describe('Cache-Control: no-store', () => {
  test.each([
    ['GET', '/graphql?query={__typename}'],
    ['GET', '/graphql?query={'],
    ['GET', '/livez'],
    ['GET', '/readyz'],
    ['GET', '/whoami'],
    ['GET', '/schema.graphql'],
    ['POST', '/allGroups'],
    ['POST', '/deleteGroup'],
    ['POST', `${groupsPath}/search`],
    ['POST', `${groupsPath}/remove`],
    ['GET', '/nothing'],
  ])('%s %s', async (method, path) => {
    const body = method === 'POST' ? { headers: { 'Content-Type': 'application/json' }, body: '{}' } : {};
    const { headers } = await app.send(path, { method, ...body });
    expect(headers.get('cache-control')).toBe('no-store');
  });

  test('GET search of the autodialer, with a body', async () => {
    const { status, head } = await talk(
      `GET ${groupsPath}/search HTTP/1.1\r\nHost: x\r\n${key}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
    );
    expect([status, headerOf(head, 'cache-control')]).toStrictEqual([200, 'no-store']);
  });

  test('the response to an unauthenticated caller', async () => {
    const response = await fetch(`${app.httpUrl}/whoami`);
    expect([response.status, response.headers.get('cache-control')]).toStrictEqual([401, 'no-store']);
  });

  test('the files of pages may be cached, and are revalidated', async () => {
    for (const path of ['/', '/explorer/explorer.js', '/api/v4/openapi.json']) {
      const { headers } = await app.send(path);
      expect([path, headers.get('cache-control')]).toStrictEqual([
        path,
        path === '/' ? 'no-cache' : expect.anything(),
      ]);
      expect(headers.get('cache-control')).not.toContain('no-store');
    }
  });
});

describe('HTTP/1.0 is accepted without Host', () => {
  test.each([
    ['GET /livez HTTP/1.0\r\n\r\n', { status: 'live' }],
    ['GET /readyz HTTP/1.0\r\n\r\n', { status: 'ready' }],
    [
      `POST /graphql HTTP/1.0\r\n${key}Content-Type: application/json\r\nContent-Length: 26\r\n\r\n{"query":"{ __typename }"}`,
      { data: { __typename: 'Query' } },
    ],
    [`GET /graphql?query={__typename} HTTP/1.0\r\n${key}\r\n`, { data: { __typename: 'Query' } }],
  ])('%s', async (text, body) => {
    const answer = await talk(text);
    expect([answer.status, JSON.parse(answer.body)]).toStrictEqual([200, body]);
  });

  test.each([
    ['none', ''],
    ['an empty one', 'Host:\r\n'],
    ['two', 'Host: a\r\nHost: b\r\n'],
  ])('HTTP/1.1 without Host is rejected: %s gets 400', async (_what, headers) => {
    const { status, body } = await talk(`GET /livez HTTP/1.1\r\n${headers}\r\n`);
    expect([status, JSON.parse(body).errors[0].extensions.code]).toStrictEqual([400, 'BAD_REQUEST']);
  });
});

describe('OPTIONS returns the methods of a path', () => {
  test.each([
    // HAProxy's default health check.
    ['OPTIONS / HTTP/1.0\r\n\r\n', 'GET, HEAD, OPTIONS'],
    ['OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n', 'GET, HEAD, OPTIONS'],
    ['OPTIONS /livez HTTP/1.0\r\n\r\n', 'GET, HEAD, OPTIONS'],
    ['OPTIONS /graphql HTTP/1.1\r\nHost: x\r\n\r\n', 'GET, POST, OPTIONS'],
    ['OPTIONS /deleteGroup HTTP/1.1\r\nHost: x\r\n\r\n', 'POST, OPTIONS'],
    [`OPTIONS ${groupsPath}/remove HTTP/1.1\r\nHost: x\r\n\r\n`, 'POST, DELETE, OPTIONS'],
    ['OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n', 'GET, HEAD, POST, PUT, DELETE, OPTIONS'],
    ['OPTIONS http://x/graphql HTTP/1.1\r\nHost: x\r\n\r\n', 'GET, POST, OPTIONS'],
    [
      'OPTIONS /graphql HTTP/1.1\r\nHost: x\r\nOrigin: https://shop.example\r\nAccess-Control-Request-Method: POST\r\n\r\n',
      'GET, POST, OPTIONS',
    ],
  ])('%j', async (text, allow) => {
    const { status, head, body } = await talk(text);
    expect([status, headerOf(head, 'allow'), body]).toStrictEqual([204, allow, '']);
    expect(headerOf(head, 'access-control-allow-origin')).toBe(
      text.includes('Origin') ? 'https://shop.example' : undefined,
    );
  });
});

describe("an error has the API's error format, never that of a library", () => {
  const host = 'Host: x\r\n';
  test.each([
    ['OPTIONS / HTTP/1.1\r\n\r\n', 400, 'BAD_REQUEST'],
    [`OPTIONS nothing HTTP/1.1\r\n${host}\r\n`, 400, 'BAD_REQUEST'],
    [`GET * HTTP/1.1\r\n${host}\r\n`, 400, 'BAD_REQUEST'],
    [`GET /%zz HTTP/1.1\r\n${host}\r\n`, 400, 'BAD_REQUEST'],
    [`GET /explorer/%00 HTTP/1.1\r\n${host}\r\n`, 400, 'BAD_REQUEST'],
    [`TRACE / HTTP/1.1\r\n${host}\r\n`, 405, 'METHOD_NOT_ALLOWED'],
    [`TRACE /graphql HTTP/1.1\r\n${host}${key}\r\n`, 405, 'METHOD_NOT_ALLOWED'],
    [`TRACE /nothing HTTP/1.1\r\n${host}\r\n`, 404, 'PATH_NOT_FOUND'],
    [`PROPFIND / HTTP/1.1\r\n${host}\r\n`, 405, 'METHOD_NOT_ALLOWED'],
    [`FOO / HTTP/1.1\r\n${host}\r\n`, 400, 'BAD_REQUEST'],
    [`CONNECT example:443 HTTP/1.1\r\n${host}\r\n`, 405, 'METHOD_NOT_ALLOWED'],
    [`GET http://other.example/nothing HTTP/1.1\r\n${host}\r\n`, 404, 'PATH_NOT_FOUND'],
    [`GET http://other.example/whoami HTTP/1.1\r\n${host}\r\n`, 401, 'UNAUTHENTICATED'],
    [`GET ftp://other.example/ HTTP/1.1\r\n${host}\r\n`, 400, 'BAD_REQUEST'],
    [
      `POST /graphql HTTP/1.1\r\n${host}${key}Content-Type: garbage\r\nContent-Length: 2\r\n\r\n{}`,
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    [`POST /graphql HTTP/1.1\r\n${host}${key}Content-Length: 2\r\n\r\n{}`, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    [
      `POST /deleteGroup HTTP/1.1\r\n${host}${key}Content-Type: application/json\r\nContent-Length: 2000000\r\n\r\n{`,
      413,
      'PAYLOAD_TOO_LARGE',
    ],
  ])('%j', async (text, status, code) => {
    const answer = await talk(text);
    const body = JSON.parse(answer.body);
    expect([answer.status, Object.keys(body), body.errors[0].extensions]).toStrictEqual([
      status,
      ['errors'],
      { code },
    ]);
    expect(headerOf(answer.head, 'x-request-id')).toMatch(/^[\da-f-]{36}$/);
    if (status === 405) expect(headerOf(answer.head, 'allow')).toContain('GET');
  });
});

test('headers of up to 16 KiB are accepted, larger ones get 431', async () => {
  const request = (size: number) => {
    const start = `GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: `;
    return `${start}${'x'.repeat(size - start.length - 4)}\r\n\r\n`;
  };
  expect((await talk(request(16 * 1024 - 100))).status).toBe(200);
  expect((await talk(request(16 * 1024 + 100))).status).toBe(431);
});
