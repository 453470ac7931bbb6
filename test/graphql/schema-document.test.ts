import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { createTestAccount } from '../support/test-accounts.ts';
import { openTestApp, useTestApp } from '../support/test-app.ts';

const source = readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8');
const app = useTestApp();

test('GET /schema.graphql returns the schema as text to any account', async () => {
  const { byKey } = await createTestAccount(app, { username: 'reader', scopes: [] });
  const { status, headers, body } = await app.send('/schema.graphql', { headers: byKey });
  expect([status, headers.get('content-type')]).toStrictEqual([200, 'text/plain; charset=utf-8']);
  expect(body).toBe(source);
});

test('GET /schema.graphql without credentials is rejected', async () => {
  const { status, body } = await app.send('/schema.graphql', { headers: { 'X-APIKEY': '' } });
  expect(status).toBe(401);
  expect(body.errors[0].extensions).toStrictEqual({ code: 'UNAUTHENTICATED' });
});

test('GET /schema.graphql is rejected if INTROSPECTION is false', async () => {
  const closed = await openTestApp({ INTROSPECTION: false });
  const { status, headers, body } = await closed.send('/schema.graphql');
  await closed.close();
  expect([status, headers.get('content-type')]).toStrictEqual([403, 'application/json; charset=utf-8']);
  expect(body).toStrictEqual({
    errors: [
      {
        message: 'Introspection is disabled by the settings of this server',
        extensions: { code: 'FORBIDDEN' },
      },
    ],
  });
});
