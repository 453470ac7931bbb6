import { describe, expect, test } from '@jest/globals';
import { createAutodialerClient, done, failure, groupsPath } from '../support/autodialer.ts';
import { createProbes } from '../support/probes.ts';
import { testKey, useTestApp } from '../support/test-app.ts';

const app = useTestApp();
const { readState, auditOf, nextRequestId, groupRow, codeOf } = createProbes(() => app);
const { addGroup, call, readNumbers, upload } = createAutodialerClient(() => app);

const [graphql, json] = ['application/graphql-response+json', 'application/json'];
const deletion = 'mutation ($id: Int!) { deleteGroup(id: $id) { id } }';
const endpoints = ['/graphql', '/deleteGroup'];

const unacceptable = [
  'text/plain',
  'image/*',
  'garbage',
  'multipart/mixed',
  'multipart/mixed;deferSpec=20220824',
  'text/event-stream',
  'text/html, application/xhtml+xml',
  'application/json;v=2',
  'application/json;charset=iso-8859-1',
  `${json};q=0`,
  `${json};q=0, ${graphql};q=0`,
  '*/*;q=0',
  'application/*;q=0',
  `${json};q=none`,
  'text/plain;x="application/json, application/json"',
];
const acceptable: [accept: string, type: string][] = [
  ['', json],
  ['*/*', json],
  ['application/*', json],
  ['APPLICATION/JSON', json],
  ['application/json;charset=UTF-8', json],
  ['application/json; charset="utf-8"', json],
  ['text/html, */*;q=0.1', json],
  [`${json};q=0, */*`, graphql],
  [`${graphql}, */*`, graphql],
  [`${graphql};q=0.1`, graphql],
  [`${graphql};q=0.5, application/*`, json],
  [`multipart/mixed;deferSpec=20220824,${graphql},${json};q=0.9`, graphql],
];

describe('an Accept without a media type of GraphQL is rejected with 406 before the mutation is executed', () => {
  test.each(endpoints.flatMap((path) => unacceptable.map((accept) => [path, accept] as const)))(
    'POST %s, %s: nothing is executed, and the audit has one entry',
    async (path, accept) => {
      const id = await app.createGroup();
      const before = await readState();
      const requestId = nextRequestId();
      const answer = await app.post(
        path,
        { query: deletion, variables: { id } },
        { Accept: accept, 'X-Request-Id': requestId, 'Idempotency-Key': requestId },
      );
      expect([answer.status, answer.headers.get('content-type'), answer.body]).toStrictEqual([
        406,
        'application/json; charset=utf-8',
        {
          errors: [
            {
              message: `Send "Accept: ${graphql}" or "Accept: ${json}". Nothing was executed`,
              extensions: { code: 'NOT_ACCEPTABLE' },
            },
          ],
        },
      ]);
      expect(await readState()).toStrictEqual(before);
      expect(await auditOf(requestId)).toMatchObject([
        {
          operation: 'deleteGroup',
          outcome: 'refused',
          error_code: 'NOT_ACCEPTABLE',
          target_ids: [String(id)],
        },
      ]);
    },
  );

  test('the short form is rejected too', async () => {
    const id = await app.createGroup();
    expect((await app.post('/deleteGroup', { id }, { Accept: 'text/plain' })).status).toBe(406);
    expect(await groupRow(id)).toHaveLength(1);
  });

  test('a query is rejected too', async () => {
    expect(
      codeOf(await app.post('/graphql', { query: '{ allGroups { id } }' }, { Accept: 'text/plain' })),
    ).toBe('NOT_ACCEPTABLE');
    const byGet = await app.send('/graphql?query={__typename}', { headers: { Accept: 'text/plain' } });
    expect([byGet.status, codeOf(byGet)]).toStrictEqual([406, 'NOT_ACCEPTABLE']);
  });
});

test.each(endpoints.flatMap((path) => acceptable.map(([accept, type]) => [path, accept, type] as const)))(
  'POST %s with Accept "%s" is executed; the response is in %s',
  async (path, accept, type) => {
    const id = await app.createGroup();
    const answer = await app.post(path, { query: deletion, variables: { id } }, { Accept: accept });
    expect([answer.status, answer.body]).toStrictEqual([200, { data: { deleteGroup: { id } } }]);
    expect(answer.headers.get('content-type')).toBe(`${type}; charset=utf-8`);
    expect(await groupRow(id)).toHaveLength(0);
  },
);

describe('406 hides no other error', () => {
  const headers = { Accept: 'text/plain' };
  const post = (path: string, body: string, added: Record<string, string> = {}) =>
    app.send(path, {
      method: 'POST',
      headers: { ...headers, 'Content-Type': 'application/json', ...added },
      body,
    });

  test.each([
    ['no credentials', () => post('/graphql', '{}', { 'X-APIKEY': '' }), 401, 'UNAUTHENTICATED'],
    ['an unknown path', () => post('/nothing', '{}'), 404, 'PATH_NOT_FOUND'],
    ['another method', () => app.send('/graphql', { method: 'PUT', headers }), 405, 'METHOD_NOT_ALLOWED'],
    ['a broken body', () => post('/graphql', '{'), 400, 'BAD_REQUEST'],
    ['a broken body at a path', () => post('/deleteGroup', '{'), 400, 'BAD_REQUEST'],
    ['a body without a query', () => post('/graphql', '{"variables":{}}'), 400, 'BAD_REQUEST'],
    ['a broken text at a path', () => post('/deleteGroup', '{"query":"{"}'), 400, 'GRAPHQL_PARSE_FAILED'],
    ['an unknown argument', () => post('/deleteGroup', '{"idd":1}'), 400, 'BAD_USER_INPUT'],
    [
      'an invalid query at a path',
      () => post('/deleteGroup', '{"query":"mutation { deleteGroup(id: 1) { nothing } }"}'),
      400,
      'GRAPHQL_VALIDATION_FAILED',
    ],
    ['a variable of a wrong type at a path', () => post('/deleteGroup', '{"id":"5"}'), 400, 'BAD_USER_INPUT'],
    [
      'too many aliases',
      () =>
        post(
          '/graphql',
          `{"query":"{ group(id: 1) { ${Array.from({ length: 31 }, (_, i) => `a${i}: id`).join(' ')} } }"}`,
        ),
      400,
      'QUERY_TOO_COMPLEX',
    ],
  ])('%s', async (_what, send, status, code) => {
    const answer = await send();
    expect([answer.status, codeOf(answer)]).toStrictEqual([status, code]);
  });
});

describe('an Accept without JSON is rejected by the autodialer with 406 before anything is executed', () => {
  const message = `Send "Accept: ${json}". Nothing was executed`;

  test.each([...unacceptable, graphql])(
    'remove with "%s": the group stays, and the audit has one entry',
    async (Accept) => {
      const _id = await addGroup();
      const before = await readNumbers();
      const requestId = nextRequestId();
      const headers = { Accept, 'X-Request-Id': requestId, 'Idempotency-Key': requestId };
      const answer = await call('remove', { _id }, headers);
      expect([answer.status, answer.headers.get('content-type'), answer.body]).toStrictEqual([
        406,
        'application/json; charset=utf-8',
        failure(message),
      ]);
      expect(await readNumbers()).toStrictEqual(before);
      expect(await auditOf(requestId)).toMatchObject([
        { operation: 'autodialer/groups/remove', outcome: 'refused', error_code: 'NOT_ACCEPTABLE' },
      ]);
      expect((await call('remove', { _id }, { ...headers, Accept: json })).status).toBe(200);
    },
  );

  test.each([
    ['add', { name: 'a', numbers: ['1'] }, 1],
    ['update', { name: 'a' }, 1],
    ['search', {}, 0],
  ])('%s', async (service, body, entries) => {
    const _id = await addGroup();
    const before = await readNumbers();
    const requestId = nextRequestId();
    const answer = await call(service, service === 'update' ? { _id, ...body } : body, {
      Accept: 'text/csv',
      'X-Request-Id': requestId,
    });
    expect([answer.status, answer.body]).toStrictEqual([406, failure(message)]);
    expect(await readNumbers()).toStrictEqual(before);
    expect(await auditOf(requestId)).toHaveLength(entries);
  });

  test('upload', async () => {
    const before = await readNumbers();
    const requestId = nextRequestId();
    const headers = { Accept: 'text/csv', 'X-Request-Id': requestId };
    const { status, body } = await upload('1111\n', 'a.csv', headers);
    expect([status, body]).toStrictEqual([406, failure(message)]);
    expect(await readNumbers()).toStrictEqual(before);
    expect(await auditOf(requestId)).toMatchObject([{ error_code: 'NOT_ACCEPTABLE' }]);
  });

  test.each(acceptable.filter(([, type]) => type === json).map(([accept]) => accept))(
    'remove with "%s" is executed',
    async (Accept) => {
      const _id = await addGroup();
      const { status, body } = await call('remove', { _id }, { Accept });
      expect([status, body]).toStrictEqual([200, { success: 1, message: done, data: '' }]);
    },
  );

  test.each([
    ['missing credentials', 'remove', { 'X-APIKEY': '' }, 401, 'BasicAuth or ApiKey is missing'],
    ['an unknown service', 'nothing', {}, 501, 'Requested service does not exist'],
  ])('%s have their own error', async (_what, service, headers, status, problem) => {
    const answer = await call(service, {}, { Accept: 'text/csv', ...headers });
    expect([answer.status, answer.body]).toStrictEqual([status, failure(problem)]);
  });

  test('another method has its own error', async () => {
    const init = { method: 'PATCH', headers: { Accept: 'text/csv' } };
    expect((await app.send(`${groupsPath}/remove`, init)).status).toBe(405);
  });
});

describe('endpoints with one media type that change nothing ignore Accept', () => {
  test.each(['/whoami', '/schema.graphql', '/readyz', '/livez', '/'])('GET %s', async (path) => {
    const { status } = await app.send(path, { headers: { Accept: 'image/png' } });
    expect(status).toBe(200);
  });
});

test.each([
  '/deleteGroup',
  '/graphql?query=mutation{deleteGroup(id:1){id}}',
  '/api/v4/autodialer/groups/remove',
])('HEAD %s is rejected with 405, without a body', async (path) => {
  const before = await readState();
  const response = await fetch(app.httpUrl + path, { method: 'HEAD', headers: { 'X-APIKEY': testKey } });
  expect([response.status, await response.text()]).toStrictEqual([405, '']);
  expect(response.headers.get('allow')).toContain('POST');
  expect(await readState()).toStrictEqual(before);
});
