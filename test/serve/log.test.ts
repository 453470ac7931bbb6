import { expect, test } from '@jest/globals';
import { basic, bearer, createTestAccount, createTokenIssuer } from '../support/test-accounts.ts';
import { startServer } from '../support/server-process.ts';
import { testKey, useTestApp } from '../support/test-app.ts';

const app = useTestApp();

test('the log has no key, password, token or variable value, and the audit no credential, even in errors', async () => {
  const issuer = createTokenIssuer();
  const secrets = {
    key: testKey,
    wrongKey: 'wrong-key-of-a-stranger',
    password: 'Secret-pass-word-1',
    wrongPassword: 'Wrong-pass-word-2',
    variable: 'value-of-a-variable',
    inQuery: 'value-in-a-query',
    operation: 'NameOfAnOperation',
    alias: 'aliasOfAField',
    path: 'path-of-a-client',
    baggage: 'value-in-the-baggage',
    collectorKey: 'key-of-the-collector',
  };
  const account = await createTestAccount(app, { username: 'clerk', password: secrets.password });
  const token = await issuer.issue({ scope: '*' });
  const badToken = await issuer.issue({ scope: '*', exp: 1 });

  const server = startServer({
    DATABASE_URL: app.url,
    ADMIN_API_KEY: testKey,
    LOG_LEVEL: 'trace',
    JWT_PUBLIC_KEY: issuer.settings.JWT_PUBLIC_KEY.export({ type: 'spki', format: 'pem' }) as string,
    JWT_ISSUER: issuer.settings.JWT_ISSUER,
    JWT_AUDIENCE: issuer.settings.JWT_AUDIENCE,
    // Nothing listens there: the log has a line about it.
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=${secrets.collectorKey}`,
    OTEL_BSP_SCHEDULE_DELAY: '100',
    SLOW_REQUEST_MS: '1',
    // Not a test of overload: a rejected request has no line.
    MAX_EVENT_LOOP_DELAY_MS: '60000',
  });
  const { url } = await server.ready;
  const callers: Record<string, string>[] = [
    account.byKey,
    account.byPassword,
    account.byBoth,
    { 'X-APIKEY': testKey },
    { 'X-APIKEY': secrets.wrongKey },
    basic('clerk', secrets.wrongPassword),
    bearer(token),
    bearer(badToken),
    bearer(`${token}x`),
    { Authorization: `Digest ${secrets.password}` },
    { Authorization: `Basic ${secrets.password}` },
  ];
  const bodies = [
    '{"id":2000000000}',
    JSON.stringify({ id: secrets.variable }),
    JSON.stringify({ variables: { id: 1, reason: secrets.variable } }),
    JSON.stringify({ query: `mutation { deleteGroup(id: "${secrets.inQuery}") { id } }` }),
    `{"id":"${secrets.variable}`,
    JSON.stringify({
      query: `query ${secrets.operation} { ${secrets.alias}: allGroups { id } }`,
      operationName: secrets.operation,
    }),
  ];
  // Each caller's requests one after the other, and the callers concurrently.
  await Promise.all(
    callers.map(async (headers) => {
      for (const body of bodies) {
        for (const path of [
          '/deleteGroup',
          '/graphql',
          `/graphql?key=${secrets.key}&query=${secrets.inQuery}`,
          `/nothing?key=${secrets.key}`,
          `/${secrets.path}`,
        ]) {
          await fetch(url + path, {
            method: 'POST',
            headers: {
              'Content-Type': 'application/json',
              baggage: `customer=${secrets.baggage}`,
              ...headers,
            },
            body,
          });
        }
      }
    }),
  );
  // An internal error, which is logged completely.
  await app.sql('ALTER TABLE groups RENAME COLUMN price TO cost');
  const faulty = await fetch(`${url}/createGroup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...account.byKey },
    body: JSON.stringify({ group: { name: secrets.variable, tagName: 't', duration: 1, price: '1' } }),
  });
  expect(faulty.status).toBe(500);
  await app.sql('ALTER TABLE groups RENAME COLUMN cost TO price');
  server.kill('SIGTERM');
  const { stdout, stderr } = await server.exited;

  expect(stderr.split('\n').length).toBeGreaterThan(callers.length * bodies.length * 4);
  expect(stderr).toContain('unexpected error');
  expect(stderr).toMatch(/traces could not be sent|the last traces were not sent/);
  expect(stderr).toContain('"level":40');
  const audit = JSON.stringify(
    await app.sql(
      `SELECT account, credential, address, user_agent, request_id, error_code FROM audit_events`,
    ),
  );
  const everything = Object.entries({ ...secrets, apiKey: account.apiKey!, token, badToken });
  for (const [name, secret] of everything) {
    const forms = [secret, Buffer.from(`clerk:${secret}`).toString('base64'), encodeURIComponent(secret)];
    for (const form of forms) {
      expect([name, stdout.includes(form)]).toStrictEqual([name, false]);
      expect([name, stderr.split('\n').filter((line) => line.includes(form))]).toStrictEqual([name, []]);
      // The audit stores the values of mutations on purpose.
      if (name !== 'variable') expect([name, audit.includes(form)]).toStrictEqual([name, false]);
    }
  }
});

test.each([
  ['is unset', 1, {}],
  ['names a proxy', 0, { TRUST_PROXY: '127.0.0.1' }],
])(
  'requests with X-Forwarded-For while TRUST_PROXY %s: %i warnings in the log',
  async (_, count, settings: Record<string, string>) => {
    const server = startServer({
      DATABASE_URL: app.url,
      ADMIN_API_KEY: testKey,
      LOG_LEVEL: 'warn',
      ...settings,
    });
    const { url } = await server.ready;
    await fetch(`${url}/livez`);
    for (let call = 0; call < 3; call++)
      await fetch(`${url}/livez`, { headers: { 'X-Forwarded-For': '192.0.2.7' } });
    server.kill('SIGTERM');
    const { stderr } = await server.exited;
    const warnings = stderr.split('\n').filter((line) => line.includes('X-Forwarded-For'));
    expect(warnings).toHaveLength(count);
    for (const line of warnings)
      expect(JSON.parse(line)).toMatchObject({
        ip: '127.0.0.1',
        msg: expect.stringContaining('set TRUST_PROXY'),
      });
  },
);
