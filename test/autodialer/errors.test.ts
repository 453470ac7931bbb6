import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { createAutodialerClient, failure, groupsPath } from '../support/autodialer.ts';
import { createProbes } from '../support/probes.ts';
import { startServer } from '../support/server-process.ts';
import { createTestAccount } from '../support/test-accounts.ts';
import { openTestApp, testKey, useTestApp, type TestApp } from '../support/test-app.ts';
import { useTestFolder } from '../support/test-folder.ts';

// The vendor's table of errors, row by row: the status, the message, and the precedence of errors.
const app = useTestApp({ FAILED_SIGN_INS_PER_MINUTE: 1_000_000 });
const dir = useTestFolder();
const { addGroup, readNumbers } = createAutodialerClient(() => app);
const { auditOf, nextRequestId } = createProbes(() => app);
const callers: Record<string, Record<string, string>> = {};
beforeAll(async () => {
  const network = { allowedNetworks: ['10.0.0.0/8'] };
  callers['anonymous'] = {};
  callers['an unknown key'] = { 'X-APIKEY': 'vZKtIKWsld0egNlkzHo8i5LVBqLNBSWARCQsPOSgDjFmAHM3tH' };
  callers['no scope'] = (
    await createTestAccount(app, { username: 'scopeless', scopes: ['groups:read'] })
  ).byKey;
  callers['another network'] = (await createTestAccount(app, { username: 'away', ...network })).byKey;
  callers['admin'] = { 'X-APIKEY': testKey };
  existing = await addGroup({ name: 'existing', numbers: ['1', '2'], description: 'd' });
});

const json = 'application/json';
const ask = async (
  caller: string,
  method: string,
  path: string,
  type: string | undefined,
  body: string | undefined,
) => {
  const response = await fetch(app.httpUrl + path, {
    method,
    headers: { ...callers[caller], ...(type !== undefined && { 'Content-Type': type }) },
    ...(body !== undefined && { body }),
  });
  return { response, status: response.status, body: await response.json() };
};
const id = '6033876dc92de036d1390923';
/** A placeholder for the id of an existing group. */
const there = 'there';
let existing: string;
const deniedTo = (service: string) => `autodialer/groups/${service};Access denied`;

describe("the vendor's table of errors", () => {
  test.each([
    ['anonymous', 'remove', json, `{"_id":"${id}"}`, 401, 'BasicAuth or ApiKey is missing'],
    ['an unknown key', 'remove', json, `{"_id":"${id}"}`, 401, 'BasicAuth or ApiKey is invalid'],
    ['no scope', 'remove', json, `{"_id":"${id}"}`, 403, deniedTo('remove')],
    ['no scope', 'search', json, '{}', 403, deniedTo('search')],
    ['another network', 'remove', json, `{"_id":"${id}"}`, 403, 'IP is not permitted'],
    ['admin', 'remove', 'text/plain', '{}', 415, 'Unsupported Media Type'],
    ['admin', 'add', 'application/x-www-form-urlencoded', 'name=a', 415, 'Unsupported Media Type'],
    ['admin', 'upload', json, '{}', 415, 'Unsupported Media Type'],
    ['admin', 'remove', json, '{"_id":', 400, 'Unable to parse content'],
    ['admin', 'remove', json, '[]', 400, 'Unable to parse content'],
    ['admin', 'remove', json, '"x"', 400, 'Unable to parse content'],
    ['admin', 'remove', json, '', 400, 'Unable to parse content'],
    ['admin', 'add', json, '', 400, 'Unable to parse content'],
    ['admin', 'add', json, '{"name":"a","numbers":["1",]}', 400, 'Unable to parse content'],
    ['admin', 'add', json, '{"name":"a","numbers":["1"]', 400, 'Unable to parse content'],
    ['admin', 'add', json, '{"name":"a","numbers":["1"]}}', 400, 'Unable to parse content'],
    ['admin', 'add', json, '["name"]', 400, 'Unable to parse content'],
    ['admin', 'search', json, '{"__proto__":{}}', 400, 'Unable to parse content'],
    ['admin', 'upload', 'multipart/form-data', 'x', 400, 'Unable to parse content'],
    ['admin', 'upload', 'multipart/form-data; boundary=b', '--b\r\nx', 400, 'Unable to parse content'],
    ['admin', 'nothing', json, '{}', 501, 'Requested service does not exist'],
    ['admin', 'remove/', json, '{}', 501, 'Requested service does not exist'],
    ['anonymous', 'nothing', json, '{}', 401, 'BasicAuth or ApiKey is missing'],
    ['admin', 'remove', json, '{}', 200, "Field '_id':value is missing"],
    ['admin', 'remove', json, '{"_id":"x"}', 200, "Field '_id':value must be 24 hexadecimal digits"],
    ['admin', 'remove', json, '{"_id":7}', 200, "Field '_id':value must be a string"],
    ['admin', 'remove', json, '{"_id":null}', 200, "Field '_id':value must be a string"],
    ['admin', 'remove', json, `{"_id":"${id}"}`, 200, "Field '_id':There is no such group"],
    ['admin', 'remove', json, `{"id_":"${id}"}`, 200, "Field '_id':There is no such group"],
    [
      'admin',
      'remove',
      json,
      `{"_id":"${id}","id_":"${id.replace('6', '7')}"}`,
      200,
      "Field 'id_':value must be that of _id",
    ],
    ['admin', 'remove', json, `{"_id":"${id}","force":true}`, 200, "Field 'force':there is no such field"],
    ['admin', 'update', json, `{"_id":"${id}","name":"a"}`, 200, "Field '_id':There is no such group"],
    ['admin', 'update', json, '{"name":"a"}', 200, "Field '_id':value is missing"],
    [
      'admin',
      'update',
      json,
      `{"_id":"${id}"}`,
      200,
      "Field 'body':value must contain something to change: name, numbers, filename or description",
    ],
    ['no scope', 'remove', json, `{"_id":"${there}"}`, 403, deniedTo('remove')],
    ['no scope', 'update', json, `{"_id":"${there}","name":"a"}`, 403, deniedTo('update')],
    ['admin', 'remove', json, `{"_id":"${there}","extra":1}`, 200, "Field 'extra':there is no such field"],
    ['admin', 'remove', json, `{"_id":"${there}"`, 400, 'Unable to parse content'],
    [
      'admin',
      'update',
      json,
      `{"_id":"${there}"}`,
      200,
      "Field 'body':value must contain something to change: name, numbers, filename or description",
    ],
    ['admin', 'update', json, `{"_id":"${there}","name":" "}`, 200, "Field 'name':value must not be blank"],
    [
      'admin',
      'update',
      json,
      `{"_id":"${there}","name":"a","numbers":["x"]}`,
      200,
      "Field 'numbers':value 1 must be a string of 1 to 32 of the characters + 0-9 * #",
    ],
    [
      'admin',
      'update',
      json,
      `{"_id":"${there}","name":"a","filename":"b.csv"}`,
      200,
      "Field 'filename':There is no such file: it was used, or is older than a day. Upload it again",
    ],
    ['admin', 'update', json, `{"_id":"${there}","nme":"a"}`, 200, "Field 'nme':there is no such field"],
    ['admin', 'remove%', json, '{}', 400, 'Malformed URL'],
    ['admin', 'add', json, '{"numbers":["1"]}', 200, "Field 'name':value is missing"],
    ['admin', 'add', json, '{"name":"a"}', 200, "Field 'numbers':value is missing"],
    ['admin', 'add', json, '{"name":" ","numbers":[]}', 200, "Field 'name':value must not be blank"],
    ['admin', 'add', json, '{"name":5,"numbers":[]}', 200, "Field 'name':value must be a string"],
    ['admin', 'add', json, '{"name":{},"numbers":[]}', 200, "Field 'name':value must be a string"],
    [
      'admin',
      'add',
      json,
      `{"name":"${'a'.repeat(129)}","numbers":[]}`,
      200,
      "Field 'name':value must have at most 128 characters",
    ],
    [
      'admin',
      'add',
      json,
      '{"name":"a","name":"b","numbers":[]}',
      200,
      "Field 'name':value must not be repeated",
    ],
    [
      'admin',
      'add',
      json,
      '{"name":"a","numbers":"1111"}',
      200,
      "Field 'numbers':value must be a list of strings",
    ],
    [
      'admin',
      'add',
      json,
      '{"name":"a","numbers":["1","0912 a45"]}',
      200,
      "Field 'numbers':value 2 must be a string of 1 to 32 of the characters + 0-9 * #",
    ],
    [
      'admin',
      'add',
      json,
      '{"name":"a","numbers":[1111]}',
      200,
      "Field 'numbers':value 1 must be a string of 1 to 32 of the characters + 0-9 * #",
    ],
    [
      'admin',
      'add',
      json,
      '{"name":"a","numbers":[[]]}',
      200,
      "Field 'numbers':value 1 must be a string of 1 to 32 of the characters + 0-9 * #",
    ],
    [
      'admin',
      'add',
      json,
      '{"name":"a","numbers":["1"],"filename":"b.csv"}',
      200,
      "Field 'filename':value cannot be combined with numbers",
    ],
    [
      'admin',
      'add',
      json,
      '{"name":"a","filename":"../b.csv"}',
      200,
      "Field 'filename':There is no such file: it was used, or is older than a day. Upload it again",
    ],
    ['admin', 'search', json, '{"alike":"maybe"}', 200, "Field 'alike':value must be true or false"],
    [
      'admin',
      'search',
      json,
      '{"conditions":{"nme":"a"}}',
      200,
      "Field 'conditions.nme':there is no such field",
    ],
    [
      'admin',
      'search',
      json,
      '{"conditions":{"name":5}}',
      200,
      "Field 'conditions.name':value must be a string",
    ],
    [
      'admin',
      'search',
      json,
      '{"pagination":{"count":0}}',
      200,
      "Field 'pagination.count':value must be at least 1",
    ],
    [
      'admin',
      'search',
      json,
      '{"pagination":{"count":1001}}',
      200,
      "Field 'pagination.count':value must be at most 1000",
    ],
    [
      'admin',
      'search',
      json,
      '{"pagination":{"start":-1}}',
      200,
      "Field 'pagination.start':value must be at least 0",
    ],
    [
      'admin',
      'search',
      json,
      '{"pagination":{"start":"0"}}',
      200,
      "Field 'pagination.start':value must be a whole number",
    ],
    [
      'admin',
      'search',
      json,
      '{"pagination":{"sorting":{"date":2}}}',
      200,
      "Field 'pagination.sorting.date':value must be 1 (ascending) or -1 (descending)",
    ],
    [
      'admin',
      'search',
      json,
      '{"pagination":{"sorting":{"size":1}}}',
      200,
      "Field 'pagination.sorting.size':there is no such field",
    ],
  ])('%s at %s with %s %s: %d "%s"', async (caller, service, type, body, status, message) => {
    const before = await readNumbers();
    const answer = await ask(
      caller,
      'POST',
      `${groupsPath}/${service}`,
      type,
      body.replaceAll(there, existing),
    );
    expect([answer.status, answer.body]).toStrictEqual([status, failure(message)]);
    expect(answer.response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(answer.response.headers.get('x-request-id')).toBeTruthy();
    expect(await readNumbers()).toStrictEqual(before);
  });

  test.each([
    ['remove', ['GET', 'PUT', 'PATCH'], 'POST, DELETE'],
    ['update', ['GET', 'DELETE', 'PATCH'], 'POST, PUT'],
    ['search', ['DELETE', 'PUT', 'PATCH'], 'POST, GET'],
    ['add', ['GET', 'DELETE', 'PUT', 'PATCH'], 'POST'],
    ['upload', ['GET', 'DELETE', 'PUT', 'PATCH'], 'POST'],
  ])('rejects other methods at %s with 405', async (service, methods, allowed) => {
    for (const method of methods) {
      const answer = await ask('admin', method, `${groupsPath}/${service}`, undefined, undefined);
      expect([answer.status, answer.body]).toStrictEqual([405, failure('Method not allowed')]);
      expect(answer.response.headers.get('allow')).toBe(allowed);
    }
  });

  test.each(['PROPFIND', 'SEARCH', 'LINK', 'TRACE', 'PURGE'])(
    'rejects the method %s with 405',
    async (method) => {
      // fetch does not send all of these methods.
      const send = async (path: string) => {
        const sent = request(app.httpUrl + path, { method, headers: callers['admin'] });
        sent.end();
        const [response] = (await once(sent, 'response')) as [IncomingMessage];
        return [response.statusCode, JSON.parse(await readText(response))];
      };
      expect(await send(`${groupsPath}/remove`)).toStrictEqual([405, failure('Method not allowed')]);
      expect(await send(`${groupsPath}/nothing`)).toStrictEqual([
        501,
        failure('Requested service does not exist'),
      ]);
    },
  );

  test('rejects HEAD with 405, without a body', async () => {
    for (const service of ['search', 'remove']) {
      const response = await fetch(`${app.httpUrl}${groupsPath}/${service}`, {
        method: 'HEAD',
        headers: callers['admin']!,
      });
      expect(response.status).toBe(405);
    }
  });

  test.each(['/api/v4/', '/api/v4/autodialer', '/api/v4/autodialer/groups', '/api/v4/pbx/users/search'])(
    'rejects the unknown service %s with every method',
    async (path) => {
      for (const method of ['GET', 'POST', 'DELETE']) {
        const answer = await ask('admin', method, path, undefined, undefined);
        expect([answer.status, answer.body]).toStrictEqual([
          501,
          failure('Requested service does not exist'),
        ]);
      }
    },
  );
});

describe('of several errors the first in this order is returned: 401, 403, 405, 415, 400, the operation', () => {
  test.each([
    ['anonymous', 'PATCH', 'text/plain', '{', 401],
    ['an unknown key', 'PATCH', 'text/plain', '{', 401],
    ['another network', 'PATCH', 'text/plain', '{', 403],
    ['no scope', 'PATCH', 'text/plain', '{', 403],
    ['admin', 'PATCH', 'text/plain', '{', 405],
    ['no scope', 'POST', 'text/plain', '{', 403],
    ['admin', 'POST', 'text/plain', '{', 415],
    ['no scope', 'POST', json, '{', 403],
    ['admin', 'POST', json, '{', 400],
    ['admin', 'POST', json, '{}', 200],
  ])('%s, %s, %s, %s: %d', async (caller, method, type, body, status) => {
    for (const service of ['add', 'update', 'remove'])
      expect((await ask(caller, method, `${groupsPath}/${service}`, type, body)).status).toBe(status);
  });

  test('a compressed body is rejected with 415, after authentication and scope', async () => {
    const send = (caller: string) =>
      fetch(`${app.httpUrl}${groupsPath}/add`, {
        method: 'POST',
        headers: { ...callers[caller], 'Content-Type': json, 'Content-Encoding': 'gzip' },
        body: '{',
      });
    expect((await send('anonymous')).status).toBe(401);
    expect((await send('no scope')).status).toBe(403);
    expect((await send('admin')).status).toBe(415);
  });
});

test('a 401 does not ask browsers for a password', async () => {
  const { response } = await ask('anonymous', 'POST', `${groupsPath}/remove`, json, '{}');
  expect(response.headers.get('www-authenticate')).toBe('Bearer realm="group-api"');
});

describe('the audit of rejected autodialer calls', () => {
  const refuse = async (service: string, body: string, requestId: string, caller = 'admin') => {
    await fetch(`${app.httpUrl}${groupsPath}/${service}`, {
      method: 'POST',
      headers: { ...callers[caller], 'Content-Type': json, 'X-Request-Id': requestId },
      body,
    });
    return (await auditOf(requestId)).map(({ operation, outcome, error_code, target_ids }) => [
      operation,
      outcome,
      error_code,
      target_ids,
    ]);
  };
  test.each([
    ['remove', `{"_id":"${id}"}`, 'admin', 'NOT_FOUND', [id]],
    ['remove', `{"id_":"${id.toUpperCase()}"}`, 'admin', 'NOT_FOUND', [id]],
    ['remove', '{}', 'admin', 'BAD_USER_INPUT', []],
    ['remove', '{}', 'no scope', 'FORBIDDEN', []],
    ['add', '{"name":"a"}', 'admin', 'BAD_USER_INPUT', []],
    ['update', `{"_id":"${id}","name":""}`, 'admin', 'BAD_USER_INPUT', [id]],
    ['update', `{"_id":"${id}","name":"a"}`, 'admin', 'NOT_FOUND', [id]],
  ])('has one entry for %s %s by %s: %s', async (service, body, caller, code, targets) => {
    const requestId = nextRequestId();
    expect(await refuse(service, body, requestId, caller)).toStrictEqual([
      [`autodialer/groups/${service}`, 'refused', code, targets],
    ]);
  });

  test.each([
    ['remove', '{'],
    ['add', '{"name"'],
  ])('has no entry for a request that is not a call: %s %s', async (service, body) => {
    expect(await refuse(service, body, `broken-${service}`)).toStrictEqual([]);
  });
});

test('a search has no audit event', async () => {
  await addGroup();
  await app.post(`${groupsPath}/search`, {}, { 'X-Request-Id': 'searching' });
  expect(await auditOf('searching')).toStrictEqual([]);
});

describe('an error that is sent before the whole body has arrived', () => {
  const connectTo = async ({ httpUrl }: TestApp) => {
    const { port, hostname } = new URL(httpUrl);
    const socket = connect(Number(port), hostname);
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    await once(socket, 'connect');
    const answers = () => received.split('HTTP/1.1 ').length - 1;
    return {
      socket,
      text: () => received,
      /** Waits some seconds for this number of responses. */
      until: async (count: number) => {
        for (const deadline = Date.now() + 10_000; answers() < count && Date.now() < deadline;)
          await sleep(10);
        return answers();
      },
    };
  };
  const head = (length: number) =>
    `POST ${groupsPath}/add HTTP/1.1\r\nHost: x\r\nX-APIKEY: ${testKey}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;

  test('the rest of a rejected body is read, and the next request on the connection succeeds', async () => {
    const { socket, text, until } = await connectTo(app);
    const body = Buffer.from(`{"name":"a","numbers":["x",${'"1",'.repeat(3_000_000)}"1"]}`);
    socket.write(head(body.length));
    for (let start = 0; start < body.length; start += 1_000_000)
      if (!socket.write(body.subarray(start, start + 1_000_000))) await once(socket, 'drain');
    expect(await until(1)).toBe(1);
    expect(text()).toContain('value 1 must be');
    socket.write(`${head(2)}{}`);
    expect(await until(2)).toBe(2);
    expect(text()).toContain("Field 'name':value is missing");
    socket.destroy();
  });

  test('a rejected request gets one response, even if its body is cut off or invalid', async () => {
    const impatient = await openTestApp({ REQUEST_TIMEOUT_SECONDS: 3 });
    const { socket, text, until } = await connectTo(impatient);
    socket.write(`${head(1000)}{"name":"a","numbers":["x",`);
    await until(1);
    await Promise.race([once(socket, 'close'), sleep(10_000, undefined, { ref: false })]);
    expect(socket.destroyed).toBe(true);
    expect([await until(1), text().includes('408')]).toStrictEqual([1, false]);
    await impatient.close();
  });
});

test('slow uploads of numbers use up the slots for uploads only; other requests succeed', async () => {
  const small = await openTestApp({ MAX_CONCURRENT_REQUESTS: 3, REQUEST_TIMEOUT_SECONDS: 30 });
  const { port, hostname } = new URL(small.httpUrl);
  const sockets = Array.from({ length: 3 }, () => {
    const socket = connect(Number(port), hostname);
    socket.write(
      `POST ${groupsPath}/add HTTP/1.1\r\nHost: x\r\nX-APIKEY: ${testKey}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"name":`,
    );
    return socket;
  });
  await sleep(500);
  const add = await small.post(`${groupsPath}/add`, { name: 'a', numbers: [] });
  expect([add.status, add.body]).toStrictEqual([503, failure('The server is overloaded. Try again later')]);
  expect(add.headers.get('retry-after')).toBe('1');
  expect((await small.post(`${groupsPath}/search`, {})).body.success).toBe(1);
  expect((await small.post('/allGroups', {})).status).toBe(200);
  for (const socket of sockets) socket.destroy();
  await small.close();
});

test('AUTODIALER=false removes all autodialer endpoints', async () => {
  const without = await openTestApp({ AUTODIALER: false });
  try {
    for (const path of [`${groupsPath}/remove`, '/api/v4/openapi.json', '/api/v4/docs/'])
      expect((await without.post(path, {})).status).toBe(404);
  } finally {
    await without.close();
  }
});

test('with AUTODIALER=false, a server loads no file of the autodialer but those of its purge', async () => {
  const server = startServer({
    DATABASE_URL: app.url,
    ADMIN_API_KEY: testKey,
    AUTODIALER: 'false',
    NODE_V8_COVERAGE: dir,
  });
  await server.ready;
  server.kill('SIGTERM');
  expect((await server.exited).code).toBe(0);

  // Node writes the scripts that a process has loaded.
  const scripts = readdirSync(dir).flatMap(
    (name) => JSON.parse(readFileSync(join(dir, name), 'utf8')).result as { url: string }[],
  );
  const loaded = scripts.flatMap(({ url }) => /\/dist\/(.+)\.js$/.exec(url)?.[1] ?? []);
  expect(loaded).toContain('app');
  expect(loaded.filter((name) => name.startsWith('autodialer/')).toSorted()).toStrictEqual([
    'autodialer/number-groups/archive',
    'autodialer/number-groups/number-group',
    'autodialer/number-groups/number-list-repository',
    'autodialer/purge',
  ]);
});
