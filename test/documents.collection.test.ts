import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { createSchema } from '../src/graphql/schema.ts';
import { done } from './support/autodialer.ts';
import { fillIn, readHttpFile, type WrittenRequest } from './support/http-file.ts';
import { testKey, useTestApp, type Json } from './support/test-app.ts';

const text = readFileSync(new URL('../docs/group-api.http', import.meta.url), 'utf8');
const requests = readHttpFile(text);
const app = useTestApp({ SAMPLE_DATA: true });

/** The responses to the requests with a name. */
const responses: Record<string, Json> = {};
const valueOf = (name: string): unknown => {
  if (name === 'host') return app.httpUrl;
  if (name === 'key') return testKey;
  const [, request, path] = /^(\w+)\.response\.body\.\$\.(.+)$/.exec(name)!;
  return path!.split('.').reduce((value: Json, key) => value?.[key], responses[request!]);
};

const send = async ({ method, address, headers, body: requestBody, name }: WrittenRequest) => {
  const isForm = headers['Content-Type']?.startsWith('multipart/');
  const response = await fetch(fillIn(address, valueOf), {
    method,
    headers: Object.fromEntries(Object.entries(headers).map(([key, value]) => [key, fillIn(value, valueOf)])),
    body: fillIn(isForm ? requestBody.replaceAll('\n', '\r\n') : requestBody, valueOf),
  });
  const body: Json = await response.json();
  if (name) responses[name] = body;
  return { status: response.status, body };
};

test('group-api.http has every operation at its own path, and every service of the autodialer', () => {
  const schema = createSchema();
  const operations = [schema.getQueryType()!, schema.getMutationType()!].flatMap((type) =>
    Object.keys(type.getFields()),
  );
  const services = ['add', 'update', 'remove', 'search', 'upload'].map(
    (service) => `api/v4/autodialer/groups/${service}`,
  );
  const addresses = requests.map(({ method, address }) => `${method} ${address}`);
  for (const path of ['graphql', ...operations, ...services])
    expect(addresses).toContain(`POST {{host}}/${path}`);
});

test.each(requests.map((request, index) => [index + 1, request.title, request] as const))(
  'request %i of group-api.http succeeds on the sample groups, after the requests before it: %s',
  async (_number, _title, request) => {
    const { status, body } = await send(request);
    expect([status, body.errors]).toStrictEqual([200, undefined]);
    if (request.address.includes('/autodialer/')) {
      const message = /(search|upload)$/.test(request.address) ? '' : done;
      expect(body).toMatchObject({ success: 1, message });
    } else {
      const values = Object.values(body.data);
      expect(values).toHaveLength(1);
      expect(values).not.toContain(null);
    }
  },
);

test('the requests of group-api.http leave the groups that they did not delete, and archive the others', async () => {
  expect(await app.sql('SELECT id FROM groups ORDER BY id')).toStrictEqual([1, 6, 7].map((id) => ({ id })));
  expect(await app.sql('SELECT id FROM deleted_groups ORDER BY id')).toStrictEqual(
    [3, 4, 5].map((id) => ({ id })),
  );
  expect(await app.sql('SELECT id FROM number_groups')).toStrictEqual([]);
});
