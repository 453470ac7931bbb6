import { expect, test } from '@jest/globals';
import { readConfig } from '../../src/config/load-config.ts';
import { findMisspeltNames } from '../../src/config/misspelt-names.ts';
import { settings } from '../../src/config/settings.ts';

test.each([
  [{ TLS_CERT_FILE: '/crt' }, 'TLS_CERT_FILE must be set together with TLS_KEY_FILE'],
  [{ TLS_KEY_FILE: '/key' }, 'TLS_KEY_FILE must be set together with TLS_CERT_FILE'],
  [{ JWT_ISSUER: 'x' }, 'JWT_ISSUER must be set together with JWT_JWKS_URL or JWT_PUBLIC_KEY'],
  [{ JWT_JWKS_URL: 'https://x', JWT_ISSUER: 'x' }, 'JWT_JWKS_URL must be set together with JWT_AUDIENCE'],
  [{ JWT_JWKS_URL: 'http://login.example/jwks' }, 'JWT_JWKS_URL must be a URL such as https://'],
  [{ JWT_PUBLIC_KEY: 'abc' }, 'JWT_PUBLIC_KEY must be a public key (RSA of 2048 bits or more'],
  [{ TRUST_PROXY: 'true' }, 'TRUST_PROXY must be addresses or CIDR blocks'],
  [{ CORS_ORIGINS: 'https://shop.example/' }, 'CORS_ORIGINS must be origins such as https://shop.example'],
])('the settings %j are rejected', (environment, message) => {
  expect(() => readConfig(environment, false)).toThrow(message);
});

test.each([
  ['MAX_QUERY_TOKENS', '199'],
  ['MAX_QUERY_TOKENS', '4001'],
  ['MAX_QUERY_DEPTH', '0'],
  ['MAX_QUERY_COST', 'many'],
])('the setting %s rejects %s', (name, value) => {
  expect(() => readConfig({ [name]: value }, false)).toThrow(`${name} must be a whole number from`);
});

const sandbox = 'https://studio.apollographql.com';
test.each([
  ['localhost', [sandbox]],
  ['127.0.0.1', [sandbox]],
  ['::1', [sandbox]],
  [undefined, [sandbox]],
  ['0.0.0.0', []],
  ['192.0.2.1', []],
  ['127.example', []],
])('the default CORS origins of a server on %s are %j', (HOST, origins) => {
  expect(readConfig({ HOST }, false).CORS_ORIGINS).toStrictEqual(origins);
});

test("OpenTelemetry's other variables are not reported as misspelt; misspelt ones that the server reads are", () => {
  const standard = [
    'OTEL_SERVICE_NAME',
    'OTEL_RESOURCE_ATTRIBUTES',
    'OTEL_PROPAGATORS',
    'OTEL_LOG_LEVEL',
    'OTEL_TRACES_SAMPLER',
    'OTEL_TRACES_SAMPLER_ARG',
    'OTEL_METRICS_EXPORTER',
    'OTEL_LOGS_EXPORTER',
    ...['SCHEDULE_DELAY', 'EXPORT_TIMEOUT', 'MAX_QUEUE_SIZE', 'MAX_EXPORT_BATCH_SIZE'].map(
      (name) => `OTEL_BSP_${name}`,
    ),
    ...['', 'TRACES_', 'METRICS_', 'LOGS_'].flatMap((signal) =>
      [
        'ENDPOINT',
        'PROTOCOL',
        'HEADERS',
        'TIMEOUT',
        'COMPRESSION',
        'CERTIFICATE',
        'CLIENT_KEY',
        'INSECURE',
      ].map((name) => `OTEL_EXPORTER_OTLP_${signal}${name}`),
    ),
    'OTEL_SPAN_LINK_COUNT_LIMIT',
    'OTEL_ATTRIBUTE_COUNT_LIMIT',
    'OTEL_NODE_RESOURCE_DETECTORS',
    'OTEL_SDK_DISABLED',
  ];
  expect(findMisspeltNames(standard, Object.keys(settings))).toStrictEqual([]);
  expect(findMisspeltNames(['OTEL_EXPORTER_OTLP_ENDPONT'], Object.keys(settings))).toStrictEqual([
    { name: 'OTEL_EXPORTER_OTLP_ENDPONT', meant: 'OTEL_EXPORTER_OTLP_ENDPOINT' },
  ]);
});

test.each([
  [
    'OTEL_EXPORTER_OTLP_ENDPOINT',
    'collector:4318',
    'a URL such as http://localhost:4318, not "collector:4318"',
  ],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'ftp://u:secret@collector', 'a URL such as http://localhost:4318'],
  ['OTEL_TRACES_EXPORTER', 'zipkin', 'one of otlp, console, none, not "zipkin"'],
  ['SHUTDOWN_DELAY_SECONDS', '601', 'a whole number from 0 to 600, not "601"'],
])('%s=%s is rejected with what it must be', (name, text, problem) => {
  expect(() => readConfig({ [name]: text }, false)).toThrow(`${name} must be ${problem}`);
  expect(() => readConfig({ [name]: text }, false)).not.toThrow('secret');
});
