import { describe, expect, test } from '@jest/globals';
import { useAutodialerCallers } from '../support/autodialer-callers.ts';
import { groupsPath } from '../support/autodialer.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp({ FAILED_SIGN_INS_PER_MINUTE: 1_000_000 });
const { ask, callers } = useAutodialerCallers(app);
const json = 'application/json';

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
