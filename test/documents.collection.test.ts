import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createSchema } from '../src/graphql/schema.ts';
import { done } from './support/autodialer.ts';
import { fillIn, readHttpFile, type WrittenRequest } from './support/http-file.ts';
import { openTestApp, testKey, type Json, type TestApp } from './support/test-app.ts';

const text = readFileSync(new URL('../docs/group-api.http', import.meta.url), 'utf8');
const requests = readHttpFile(text);
let app: TestApp;
beforeAll(async () => {
  app = await openTestApp({ SAMPLE_DATA: true });
});
afterAll(() => app.close());

/** The responses of the named requests. */
const answers: Record<string, Json> = {};
const valueOf = (name: string): unknown => {
  if (name === 'host') return app.httpUrl;
  if (name === 'key') return testKey;
  const [, request, path] = /^(\w+)\.response\.body\.\$\.(.+)$/.exec(name)!;
  return path!.split('.').reduce((value: Json, key) => value?.[key], answers[request!]);
};

const send = async ({ method, address, headers, body, name }: WrittenRequest) => {
  const isForm = headers['Content-Type']?.startsWith('multipart/');
  const response = await fetch(fillIn(address, valueOf), {
    method,
    headers: Object.fromEntries(Object.entries(headers).map(([key, value]) => [key, fillIn(value, valueOf)])),
    body: fillIn(isForm ? body.replaceAll('\n', '\r\n') : body, valueOf),
  });
  const answer: Json = await response.json();
  if (name) answers[name] = answer;
  return { status: response.status, answer };
};

test('docs/group-api.http has every operation at its path, and every autodialer service', () => {
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
  'request %i of docs/group-api.http succeeds on the sample groups, after the previous ones: %s',
  async (_number, _title, request) => {
    const { status, answer } = await send(request);
    expect([status, answer.errors]).toStrictEqual([200, undefined]);
    if (request.address.includes('/autodialer/')) {
      const message = /(search|upload)$/.test(request.address) ? '' : done;
      expect(answer).toMatchObject({ success: 1, message });
    } else {
      const values = Object.values(answer.data);
      expect(values).toHaveLength(1);
      expect(values).not.toContain(null);
    }
  },
);

test('docs/group-api.http leaves the groups that it has not deleted', async () => {
  expect(await app.sql('SELECT id FROM groups ORDER BY id')).toStrictEqual([1, 6, 7].map((id) => ({ id })));
  expect(await app.sql('SELECT id FROM deleted_groups ORDER BY id')).toStrictEqual(
    [3, 4, 5].map((id) => ({ id })),
  );
  expect(await app.sql('SELECT id FROM number_groups')).toStrictEqual([]);
});
