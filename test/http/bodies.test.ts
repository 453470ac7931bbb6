import { describe, expect, test } from '@jest/globals';
import { createAutodialerClient, failure, groupsPath } from '../support/autodialer.ts';
import { createProbes } from '../support/probes.ts';
import { plainGroup, testKey, useTestApp } from '../support/test-app.ts';

// Request bodies of real clients, and invalid ones.
const app = useTestApp();
const { readState, groupRow, codeOf, auditOf } = createProbes(() => app);
const { addGroup, readNumbers } = createAutodialerClient(() => app);

const json = { 'Content-Type': 'application/json' };
const post = (path: string, body: string, headers: Record<string, string> = json, method = 'POST') =>
  app.send(path, { method, headers, body });

describe('operationName: "" means none', () => {
  test('an empty operationName in a body is accepted, of a mutation too', async () => {
    const id = await app.createGroup();
    const query = `mutation { deleteGroup(id: ${id}) { id } }`;
    const { status, body } = await app.post('/graphql', { query, operationName: '' });
    expect([status, body]).toStrictEqual([200, { data: { deleteGroup: { id } } }]);
    expect(
      (await app.post('/group', { query: 'query a { group(id: 1) { id } }', operationName: '' })).status,
    ).not.toBe(400);
  });

  test('an empty operationName in a URL is accepted', async () => {
    const { status, body } = await app.send('/graphql?query={__typename}&operationName=');
    expect([status, body]).toStrictEqual([200, { data: { __typename: 'Query' } }]);
  });

  test('an empty operationName is rejected if the query has two operations', async () => {
    const query = 'query a { __typename } query b { __typename }';
    expect(codeOf(await app.post('/graphql', { query, operationName: '' }))).toBe(
      'OPERATION_RESOLUTION_FAILURE',
    );
  });
});

describe('Content-Type: application/json without a body', () => {
  test.each(['/allGroups', '/registrationGroups', '/serviceGroups', '/searchGroups', '/auditEvents'])(
    'a JSON request without a body is {} at %s',
    async (path) => {
      for (const headers of [json, {}]) {
        const { status, body } = await app.send(path, { method: 'POST', headers });
        expect([status, body.errors, Object.keys(body.data)]).toStrictEqual([
          200,
          undefined,
          [path.slice(1)],
        ]);
      }
    },
  );

  test('a JSON request without a body is rejected at /deleteGroup for its missing argument', async () => {
    const { status, body } = await post('/deleteGroup', '');
    expect([status, body.errors[0].extensions]).toStrictEqual([
      400,
      { code: 'BAD_USER_INPUT', argument: 'id' },
    ]);
  });

  test('a JSON request without a body is rejected at /graphql', async () => {
    const answer = await post('/graphql', '');
    expect([answer.status, answer.body.errors[0].message]).toStrictEqual([400, 'The body is empty']);
  });
});

describe('a duplicate JSON key is rejected, and nothing is executed', () => {
  const twice = (
    id: number,
    other: number,
  ): [what: string, path: string, body: string, argument: string][] => [
    ['an argument', '/deleteGroup', `{"id":${id},"id":${other}}`, 'id'],
    ['an argument, with the same value', '/deleteGroup', `{"id":${id},"id":${id}}`, 'id'],
    ['with an escape', '/deleteGroup', `{"id":${id},"\\u0069d":${other}}`, 'id'],
    ['with an escape first', '/deleteGroup', `{"\\u0069\\u0064":${id},"id":${other}}`, 'id'],
    ['a variable', '/deleteGroup', `{"variables":{"id":${id},"id":${other}}}`, 'variables.id'],
    ['variables', '/deleteGroup', `{"variables":{"id":${id}},"variables":{"id":${other}}}`, 'variables'],
    [
      'a variable at /graphql',
      '/graphql',
      `{"query":"mutation ($id: Int!) { deleteGroup(id: $id) { id } }","variables":{"id":${id},"id":${other}}}`,
      'variables.id',
    ],
    [
      'a query',
      '/graphql',
      `{"query":"{ __typename }","query":"mutation { deleteGroup(id: ${id}) { id } }"}`,
      'query',
    ],
    [
      'in an object of the variables',
      '/editGroup',
      `{"id":${id},"group":{"name":"a","price":"1","name":"b"}}`,
      'group.name',
    ],
    [
      'in a list, after strings with quotes, colons and backslashes',
      '/graphql',
      `{"query":"mutation { deleteGroup(id: ${id}) { id } }","extensions":{"a\\\\\\"":":\\\\","b":[{"x":1},{"x":1,"y":{},"x":[]}]}}`,
      'extensions.b.x',
    ],
  ];

  test.each(twice(0, 0).map(([what], index) => [what, index] as const))('%s', async (_what, index) => {
    const [id, other] = [await app.createGroup(), await app.createGroup()];
    const [, path, body, argument] = twice(id, other)[index]!;
    const before = await readState();
    const answer = await post(path, body);
    expect([answer.status, answer.body]).toStrictEqual([
      400,
      {
        errors: [
          { message: `${argument} must not be repeated`, extensions: { code: 'BAD_USER_INPUT', argument } },
        ],
      },
    ]);
    expect(await readState()).toStrictEqual(before);
  });

  test('in the variables in a URL', async () => {
    const answer = await app.send('/graphql?query={__typename}&variables={"id":1,"id":2}');
    expect([answer.status, codeOf(answer)]).toStrictEqual([400, 'BAD_USER_INPUT']);
  });

  test.each([
    ['add', 'POST', '{"name":"a","numbers":["1111"],"name":"b"}', 'name'],
    ['add', 'POST', '{"name":"a","numbers":["1111"],"n\\u0061me":"b"}', 'name'],
    ['update', 'POST', '{"_id":"ID","name":"a","_id":"ID"}', '_id'],
    ['update', 'PUT', '{"_id":"ID","name":"a","n\\u0061me":"b"}', 'name'],
    ['remove', 'POST', '{"_id":"ID","_id":"ID"}', '_id'],
    ['remove', 'POST', '{"_id":"aaaaaaaaaaaaaaaaaaaaaaaa","_\\u0069d":"ID"}', '_id'],
    ['remove', 'DELETE', '{"_id":"ID","_id":"ID"}', '_id'],
    ['search', 'POST', '{"conditions":{"name":"a","name":""}}', 'conditions.name'],
    ['search', 'POST', '{"alike":true,"alike":false}', 'alike'],
  ])('by every autodialer service: %s %s %s', async (service, method, body, field) => {
    const _id = await addGroup();
    const before = await readNumbers();
    const answer = await post(`${groupsPath}/${service}`, body.replaceAll('ID', _id), json, method);
    expect([answer.status, answer.body]).toStrictEqual([
      200,
      failure(`Field '${field}':value must not be repeated`),
    ]);
    expect(await readNumbers()).toStrictEqual(before);
  });

  test('by the autodialer in the body of a GET', async () => {
    // fetch does not send a body with GET.
    const { request } = await import('node:http');
    const sentBody = '{"alike":true,"\\u0061like":false}';
    const body = await new Promise<string>((resolve, reject) => {
      const sent = request(
        `${app.httpUrl}${groupsPath}/search`,
        { method: 'GET', headers: { ...json, 'X-APIKEY': testKey, 'Content-Length': sentBody.length } },
        async (response) => resolve((await response.toArray()).join('')),
      );
      sent.on('error', reject).end(sentBody);
    });
    expect(JSON.parse(body)).toStrictEqual(failure("Field 'alike':value must not be repeated"));
  });
});

test('equal keys in different objects, and strings that look like keys, are accepted', async () => {
  const id = await app.createGroup();
  const group = { name: '"id":1,"id":2', description: '{"a":1,"a":2} \\": : \\\\', tagName: ':' };
  const { status, body } = await app.post('/editGroup', { id, group });
  expect([status, body.data.editGroup]).toMatchObject([200, group]);
  const extensions = { list: [{ id: 1 }, { id: 2 }, [], {}, ''], id: { id: { id: null } }, '"': ':' };
  expect((await app.post('/graphql', { query: '{ __typename }', extensions })).status).toBe(200);
});

test('a repeated key of a body with thousands of keys or levels is named, or the body is accepted without one', async () => {
  const many = Object.fromEntries(Array.from({ length: 6000 }, (_, i) => [`k${i}`, i]));
  const flat = JSON.stringify({ query: '{ __typename }', variables: many });
  const levels = `${'{"a":'.repeat(6000)}1${'}'.repeat(6000)}`;
  const deep = `{"query":"{ __typename }","variables":{"a":${levels}}}`;
  for (const body of [flat, deep]) expect((await post('/graphql', body)).status).toBe(200);
  const repeated = await post('/graphql', `{"query":"{ __typename }","variables":{"a":${levels},"a":1}}`);
  expect([repeated.status, repeated.body.errors[0].message]).toStrictEqual([
    400,
    'variables.a must not be repeated',
  ]);
});

test('a repeated key of a body of 1 MiB is rejected without its name', async () => {
  const { status, body } = await post('/graphql', `{"query":"${'x'.repeat(1_000_000)}","a":1,"a":2}`);
  expect([status, body.errors[0].message]).toStrictEqual([
    400,
    'A key is repeated in an object of the body. Send each key once',
  ]);
});

test('a body with 20,000 keys and values is accepted, and one more is rejected with their number', async () => {
  const body = (ids: number) => `{"query":"{ __typename }","variables":{"ids":[${'1,'.repeat(ids - 1)}1]}}`;
  // Four keys and values more than ids, and the body itself.
  expect((await post('/graphql', body(19_993))).status).toBe(200);
  const rejected = await post('/graphql', body(19_994));
  expect([rejected.status, rejected.body]).toStrictEqual([
    413,
    {
      errors: [
        {
          message: 'The body has 20001 keys and values; 20000 are allowed. Split it into several requests',
          extensions: { code: 'PAYLOAD_TOO_LARGE' },
        },
      ],
    },
  ]);
  const levels = await post('/graphql', `{"variables":${'['.repeat(500_000)}${']'.repeat(500_000)}}`);
  expect(levels.status).toBe(413);
});

describe('a limit of a request is inclusive', () => {
  test('a body of 1 MiB is accepted, one byte more is rejected', async () => {
    const id = await app.createGroup();
    const body = (bytes: number) => `{"id":${id}${' '.repeat(bytes - String(id).length - 7)}}`;
    const limit = 1024 * 1024;
    expect(Buffer.byteLength(body(limit))).toBe(limit);
    const beyond = await post('/deleteGroup', body(limit + 1));
    expect([beyond.status, codeOf(beyond)]).toStrictEqual([413, 'PAYLOAD_TOO_LARGE']);
    expect(await groupRow(id)).toHaveLength(1);
    expect((await post('/deleteGroup', body(limit))).status).toBe(200);
  });

  test('an Idempotency-Key of 255 characters is accepted, 256 are rejected', async () => {
    const create = (key: string) =>
      app.post(
        '/createGroup',
        { group: plainGroup },
        { 'Idempotency-Key': key, 'X-Request-Id': `key-${key.length}` },
      );
    const first = await create('k'.repeat(255));
    const again = await create('k'.repeat(255));
    expect([first.status, again.status, again.headers.get('idempotency-replayed')]).toStrictEqual([
      200,
      200,
      'true',
    ]);
    expect(again.body).toStrictEqual(first.body);
    const beyond = await create('k'.repeat(256));
    expect([beyond.status, beyond.body.errors[0].extensions]).toStrictEqual([
      400,
      { code: 'BAD_USER_INPUT', argument: 'Idempotency-Key' },
    ]);
    expect(await auditOf('key-256')).toMatchObject([{ outcome: 'refused', error_code: 'BAD_USER_INPUT' }]);
  });
});
