import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from '@jest/globals';
import SwaggerParser from '@apidevtools/swagger-parser';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { createAutodialerClient, groupsPath } from '../support/autodialer.ts';
import { testKey, useTestApp, type Json } from '../support/test-app.ts';
import { createTestFolder } from '../support/test-folder.ts';

const app = useTestApp();
let document: Json;
const { call, addGroup, upload } = createAutodialerClient(() => app);
beforeAll(async () => {
  document = await (await fetch(`${app.httpUrl}/api/v4/openapi.json`)).json();
});

const services = ['add', 'update', 'remove', 'search', 'upload'];
const operationOf = (service: string) => document.paths[`${groupsPath}/${service}`].post;

test("the autodialer's document is valid OpenAPI 3.1", async () => {
  expect(document.openapi).toBe('3.1.0');
  await expect(SwaggerParser.validate(structuredClone(document))).resolves.toBeDefined();
});

test("the autodialer's document has the five services as POST, and nothing else", () => {
  expect(Object.keys(document.paths).toSorted()).toStrictEqual(
    services.map((service) => `${groupsPath}/${service}`).toSorted(),
  );
  for (const service of services) {
    expect(Object.keys(document.paths[`${groupsPath}/${service}`])).toStrictEqual(['post']);
    expect(operationOf(service)).toMatchObject({
      operationId: service,
      summary: expect.any(String),
      description: expect.stringContaining(`autodialer/groups/${service}`),
    });
  }
  expect(Object.keys(operationOf('upload').requestBody.content)).toStrictEqual(['multipart/form-data']);
});

describe('every response matches the document', () => {
  const validatorOf = (service: string, status: number): ValidateFunction => {
    const { schema } = operationOf(service).responses[status].content['application/json'];
    return new Ajv2020({ strict: false }).compile(schema);
  };
  const check = (service: string, { status, body }: { status: number; body: Json }) => {
    const validate = validatorOf(service, status);
    expect([validate(body), validate.errors, body]).toStrictEqual([true, null, body]);
    return body;
  };

  test('successful responses match the document', async () => {
    const added = check('add', await call('add', { name: 'a', numbers: ['1'], description: 'b' }));
    check('update', await call('update', { _id: added.data._id, name: 'c' }));
    check('search', await call('search', {}));
    check('search', await call('search', { pagination: { sorting: { name: 1, _id: -1 } } }));
    check('remove', await call('remove', { _id: added.data._id }));
    check('upload', await upload('1\n2'));
  });

  test('error responses match the document', async () => {
    for (const service of services) {
      if (service !== 'upload') check(service, await call(service, { unknown: 1 }));
      check(service, await call(service, {}, { 'X-APIKEY': 'unknown' }));
      check(service, await call(service, {}, { 'Content-Type': 'text/plain' }));
    }
    check('upload', await upload('x'));
    check('remove', await app.send(`${groupsPath}/remove`, { method: 'PATCH' }));
  });
});

describe('requests are accepted exactly if the document allows them', () => {
  const schemaOf = (service: string) => operationOf(service).requestBody.content['application/json'].schema;
  test.each([
    ['add', { name: 'a', numbers: ['1', '*#+'] }],
    ['add', { name: 'a', numbers: [1] }],
    ['add', { name: 'a', numbers: [''] }],
    ['add', { name: 'a', numbers: ['1'.repeat(33)] }],
    ['add', { name: 'a', numbers: ['1'], extra: 1 }],
    ['add', { name: 'a'.repeat(129), numbers: ['1'] }],
    ['add', { numbers: ['1'] }],
    ['search', {}],
    ['search', { alike: 'false' }],
    ['search', { alike: 'no' }],
    ['search', { pagination: { start: 0, count: 1000, sorting: { name: 1 } } }],
    ['search', { pagination: { count: 1001 } }],
    ['search', { conditions: { name: null } }],
    ['remove', { _id: 'short' }],
    ['update', { name: 'a' }],
  ])('%s %j', async (service, body) => {
    const isAllowed = new Ajv2020({ strict: false }).validate(schemaOf(service), body);
    expect((await call(service, body)).body.success).toBe(isAllowed ? 1 : 0);
  });
});

describe('the documentation page', () => {
  test('the documentation page and its files are public, and load nothing from other hosts', async () => {
    const open = async (path: string) => {
      const response = await fetch(app.httpUrl + path);
      expect([path, response.status]).toStrictEqual([path, 200]);
      return { text: await response.text(), headers: response.headers };
    };
    const { text, headers } = await open('/api/v4/docs/');
    expect(headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(text).not.toMatch(/<script>[^<]|https?:/);
    const sources = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source!);
    expect(sources.length).toBeGreaterThan(3);
    for (const source of sources) await open(new URL(source, 'http://x/api/v4/docs/').pathname);
    const { text: initializer } = await open('/api/v4/docs/static/swagger-initializer.js');
    expect(initializer).toContain('"validatorUrl":null');
    expect((await open('/api/v4/docs/json')).text).toBe((await open('/api/v4/openapi.json')).text);
  });

  const browser = ['chromium', 'google-chrome', 'chrome'].find(
    (name) => spawnSync(name, ['--version']).status === 0,
  );
  if (!browser)
    process.stdout.write('the page is not opened in a browser, since chromium is not installed\n');
  (browser ? test : test.skip)(
    'the documentation page shows the services in a browser without access to other hosts',
    async () => {
      const { stdout } = await promisify(execFile)(
        browser!,
        [
          '--headless',
          '--no-sandbox',
          '--disable-gpu',
          '--virtual-time-budget=10000',
          '--dump-dom',
          '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
          `${app.httpUrl}/api/v4/docs/`,
        ],
        { timeout: 60_000, maxBuffer: 16 * 1024 * 1024 },
      );
      for (const service of services) expect(stdout).toContain(`data-path="${groupsPath}/${service}"`);
    },
    60_000,
  );

  test("the documentation page's folder cannot be left by a path with dots", async () => {
    for (const path of [
      '../package.json',
      '%2e%2e/package.json',
      '..%2f..%2fpackage.json',
      '..%5cpackage.json',
    ]) {
      // With node:http, since fetch removes the dots.
      const { hostname, port } = new URL(app.httpUrl);
      const socket = connect(Number(port), hostname);
      socket.write(`GET /api/v4/docs/static/${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      const answer = await readText(socket);
      expect(answer).not.toContain('dependencies');
      expect(Number(answer.slice(9, 12))).toBeGreaterThanOrEqual(400);
    }
  });
});

test('the commands in docs/autodialer.md work as printed', async () => {
  const text = readFileSync(fileURLToPath(new URL('../../docs/autodialer.md', import.meta.url)), 'utf8');
  const lines = text.split('\n').filter((line) => line.startsWith('curl '));
  const cwd = await createTestFolder();
  await writeFile(join(cwd, 'numbers.csv'), '1111\n');
  const answers = [];
  for (const line of lines) {
    const command = line.replace('http://127.0.0.1:4000', app.httpUrl).replace('curl', 'curl --silent');
    const env = { ...process.env, ADMIN_API_KEY: testKey };
    answers.push(JSON.parse((await promisify(execFile)('sh', ['-c', command], { cwd, env })).stdout));
  }
  expect(answers).toMatchObject([
    { success: 1, data: { _id: expect.any(String) } },
    { success: 1, data: { data: [{ name: 'test_group', count: 2 }] } },
    { success: 1, data: { filename: expect.stringMatching(/\.csv$/) } },
  ]);
  await call('remove', { _id: answers[0].data._id });
});

test("a group that is added by the document's example is found", async () => {
  const example = operationOf('add').requestBody.content['application/json'].schema.properties;
  const id = await addGroup({ name: example.name.examples[0], numbers: example.numbers.examples[0] });
  const { body } = await call('search', { conditions: { name: example.name.examples[0] } });
  expect(body.data.data).toMatchObject([{ _id: id, count: 2 }]);
});
