import { readFileSync } from 'node:fs';
import { STATUS_CODES } from 'node:http';
import { beforeAll, expect, test } from '@jest/globals';
import { createAutodialerClient } from '../support/autodialer.ts';
import { fillIn, readRequest } from '../support/http-file.ts';
import { createTestAccount } from '../support/test-accounts.ts';
import { testKey, useTestApp, type Json } from '../support/test-app.ts';

const page = readFileSync(new URL('../../docs/coming-from.md', import.meta.url), 'utf8');
const app = useTestApp({ SAMPLE_DATA: true });
const { addGroup } = createAutodialerClient(() => app);

/** The sample groups, and the group and the account of the autodialer vendor's documented examples. */
beforeAll(async () => {
  await createTestAccount(app, {
    username: 'test',
    password: 'Aa123456',
    apiKey: 'vZKtIKWsld0egNlkzHo8i5LVBqLNBSWARCQsPOSgDjFmAHM3tG',
    requiresBoth: true,
    scopes: ['autodialer/groups/remove'],
  });
  const added = await addGroup();
  await app.sql('UPDATE number_groups SET id = $1 WHERE id = $2', ['6033876dc92de036d1390923', added]);
});

/** The HTTP blocks, in a list or not: a request, followed by its response. */
const blocks = [...page.matchAll(/^( *)```http\n([^]*?)^ *```$/gm)].map(([, indent, text]) =>
  text!.replaceAll(new RegExp(`^${indent}`, 'gm'), '').trim(),
);
const exchanges = blocks.flatMap((request, index) =>
  index % 2 === 0 ? [[request, blocks[index + 1]!] as const] : [],
);

const readResponse = (text: string) => {
  const [, status, phrase, headers, body] = /^HTTP\/1\.1 (\d+) (.+)((?:\n.+)*)\n\n([^]+)$/.exec(text)!;
  expect(phrase).toBe(STATUS_CODES[Number(status)]);
  return {
    status: Number(status),
    headers: [...headers!.matchAll(/\n([^:]+): (.*)/g)].map(([, name, value]) => [name!, value!] as const),
    body: JSON.parse(body!, (_key, value: unknown) => (value === '…' ? expect.any(String) : value)),
  };
};

test('every request in coming-from.md is followed by its response', () => {
  expect(exchanges.length).toBeGreaterThan(15);
  for (const [request, response] of exchanges) {
    expect(request).toMatch(/^POST /);
    expect(response).toMatch(/^HTTP\/1\.1 /);
  }
});

test.each(exchanges.map(([request, response], index) => [index + 1, request, response] as const))(
  'request %i in coming-from.md gets the documented response, after the requests before it',
  async (_number, request, shown) => {
    const { method, address, headers, body } = readRequest(fillIn(request, () => testKey));
    const response = await fetch(app.httpUrl + address, { method, headers, body });
    const expected = readResponse(shown);
    const responseBody: Json = await response.json();
    expect({ status: response.status, body: responseBody }).toStrictEqual({
      status: expected.status,
      body: expected.body,
    });
    for (const [name, value] of expected.headers) expect(response.headers.get(name)).toBe(value);
  },
);
