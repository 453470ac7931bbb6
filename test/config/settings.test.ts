import { expect, test } from '@jest/globals';
import { readConfig } from '../../src/config/load-config.ts';

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
