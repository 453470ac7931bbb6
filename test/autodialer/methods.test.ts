import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { text as readText } from 'node:stream/consumers';
import { expect, test } from '@jest/globals';
import { useAutodialerCallers } from '../support/autodialer-callers.ts';
import { failure, groupsPath } from '../support/autodialer.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();
const { ask, callers } = useAutodialerCallers(app);

test.each([
  ['remove', ['GET', 'PUT', 'PATCH'], 'POST, DELETE'],
  ['update', ['GET', 'DELETE', 'PATCH'], 'POST, PUT'],
  ['search', ['DELETE', 'PUT', 'PATCH'], 'POST, GET'],
  ['add', ['GET', 'DELETE', 'PUT', 'PATCH'], 'POST'],
  ['upload', ['GET', 'DELETE', 'PUT', 'PATCH'], 'POST'],
])('the autodialer rejects other methods at %s with 405', async (service, methods, allowed) => {
  for (const method of methods) {
    const answer = await ask('admin', method, `${groupsPath}/${service}`, undefined, undefined);
    expect([answer.status, answer.body]).toStrictEqual([405, failure('Method not allowed')]);
    expect(answer.response.headers.get('allow')).toBe(allowed);
  }
});

test.each(['PROPFIND', 'SEARCH', 'LINK', 'TRACE', 'PURGE'])(
  'the autodialer rejects the method %s with 405',
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

test('the autodialer rejects HEAD with 405, without a body', async () => {
  for (const service of ['search', 'remove']) {
    const response = await fetch(`${app.httpUrl}${groupsPath}/${service}`, {
      method: 'HEAD',
      headers: callers['admin']!,
    });
    expect(response.status).toBe(405);
  }
});

test.each(['/api/v4/', '/api/v4/autodialer', '/api/v4/autodialer/groups', '/api/v4/pbx/users/search'])(
  'the autodialer rejects the unknown service %s with every method',
  async (path) => {
    for (const method of ['GET', 'POST', 'DELETE']) {
      const answer = await ask('admin', method, path, undefined, undefined);
      expect([answer.status, answer.body]).toStrictEqual([501, failure('Requested service does not exist')]);
    }
  },
);
