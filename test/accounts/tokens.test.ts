import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { bearer, createTestAccount, createTokenIssuer, sendWith } from '../support/test-accounts.ts';
import { openTestApp, type TestApp } from '../support/test-app.ts';

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const inAMinute = () => Math.floor(Date.now() / 1000) + 60;

describe('with JWT_PUBLIC_KEY', () => {
  const { settings, issue } = createTokenIssuer();
  let app: TestApp;
  beforeAll(async () => {
    app = await openTestApp({ ...settings, FAILED_SIGN_INS_PER_MINUTE: 1000 });
  });
  afterAll(() => app.close());

  test('a valid token is accepted with its scopes; the audit has its subject', async () => {
    const token = bearer(await issue({ scope: 'groups:read groups:delete nothing:known' }));
    expect(await sendWith(app, token)).toStrictEqual([200, undefined]);
    expect(await sendWith(app, token, '/createGroup')).toStrictEqual([
      403,
      'The account needs the scope groups:write',
    ]);
    const rows = await app.sql('SELECT account, credential FROM audit_events');
    expect(rows).toStrictEqual([{ account: 'jwt:robot', credential: 'jwt' }]);
  });

  const claims: [string, object, string][] = [
    ['has expired', { exp: 1 }, 'it has expired'],
    ['never expires', { exp: undefined }, 'its "exp" is not as expected'],
    ['is not valid yet', { nbf: inAMinute() }, 'its "nbf" is not as expected'],
    ['is of another issuer', { iss: 'https://other.example' }, 'its "iss" is not as expected'],
    ['is for another audience', { aud: 'other-api' }, 'its "aud" is not as expected'],
    ['has no subject', { sub: undefined }, 'its "sub" is not as expected'],
    ...['', 'a\u0000b', 'line\nbreak', '\ud800', 'x'.repeat(256)].map((sub): [string, object, string] => [
      `is of ${JSON.stringify(sub).slice(0, 20)}`,
      { sub },
      'its "sub" must have 1 to 255 printable characters',
    ]),
  ];
  test.each(claims)('rejects a token that %s', async (_what, claim, reason) => {
    const token = bearer(await issue({ scope: '*', ...claim }));
    expect(await sendWith(app, token)).toStrictEqual([401, `The token is rejected: ${reason}`]);
  });

  const read = ['/allGroups', 200] as const;
  const write = ['/createServiceGroup', 200] as const;
  const noWrite = ['/createServiceGroup', 403] as const;
  const audit = ['/auditEvents', 200] as const;
  test.each<[what: string, claims: object, ...expected: (readonly [path: string, status: number])[]]>([
    ['scope, separated by blanks', { scope: 'groups:read audit:read' }, read, audit, noWrite],
    ['scope, as a list', { scope: ['groups:read', 'audit:read'] }, read, audit, noWrite],
    ['scp, as a list', { scp: ['groups:read', 'audit:read'] }, read, audit, noWrite],
    ['scp, separated by blanks', { scp: 'groups:read  audit:read ' }, read, audit, noWrite],
    ['both of them', { scope: 'groups:read', scp: ['groups:write'] }, read, write],
    ['both of them, as texts', { scope: 'groups:write', scp: 'groups:read' }, read, write],
    ['one claim if the other one is invalid', { scope: { a: 1 }, scp: 'groups:read' }, read, noWrite],
    ['what is a text among nonsense', { scp: [null, 5, ['groups:write'], 'groups:read'] }, read, noWrite],
    ['only whole scopes', { scope: 'xgroups:write groups:writex groups:read' }, read, noWrite],
  ])('a token has the scopes of %s', async (_what, granted, ...expected) => {
    const token = bearer(await issue({ scope: undefined, ...granted }));
    for (const [path, status] of expected) {
      const body = path === '/createServiceGroup' ? { serviceGroup: { name: 'family' } } : {};
      expect([path, (await app.post(path, body, { 'X-APIKEY': '', ...token })).status]).toStrictEqual([
        path,
        status,
      ]);
    }
  });

  test('a token without scopes is rejected with FORBIDDEN', async () => {
    for (const scope of [
      undefined,
      '',
      ['groups:write'],
      5,
      null,
      true,
      { 'groups:read': true },
      [['groups:read']],
      [5, null],
    ])
      for (const claim of [{ scope }, { scope: undefined, scp: scope }])
        expect(await sendWith(app, bearer(await issue(claim)))).toStrictEqual([
          403,
          'The account needs the scope groups:read',
        ]);
  });

  describe('rejects a token whose algorithm is', () => {
    const payload = base64({
      iss: settings.JWT_ISSUER,
      aud: settings.JWT_AUDIENCE,
      sub: 'admin',
      scope: '*',
      exp: inAMinute(),
    });
    const pem = settings.JWT_PUBLIC_KEY.export({ type: 'spki', format: 'pem' }) as string;
    const raw = settings.JWT_PUBLIC_KEY.export({ format: 'jwk' }).x!;
    const withHmac = (alg: string, secret: string | Buffer) => {
      const input = `${base64({ alg, typ: 'JWT' })}.${payload}`;
      const hash = `sha${alg.slice(2)}`;
      return `${input}.${createHmac(hash, secret).update(input).digest('base64url')}`;
    };
    const cases: [string, string][] = [
      ...['none', 'None', 'NONE', 'nOnE', ''].map((alg): [string, string] => [
        `"${alg}"`,
        `${base64({ alg })}.${payload}.`,
      ]),
      ['none, with a signature', `${base64({ alg: 'none' })}.${payload}.AAAA`],
      ['HS256 with the public key as PEM', withHmac('HS256', pem)],
      ['HS256 with the public key as PEM without its last line break', withHmac('HS256', pem.trim())],
      ['HS512 with the raw public key', withHmac('HS512', Buffer.from(raw, 'base64url'))],
      ['HS256 with nothing', withHmac('HS256', '')],
      ['missing', `${base64({ typ: 'JWT' })}.${payload}.AAAA`],
      [
        'ES256, with a signature of zeros',
        `${base64({ alg: 'ES256' })}.${payload}.${Buffer.alloc(64).toString('base64url')}`,
      ],
      [
        'right, with a signature of zeros',
        `${base64({ alg: 'EdDSA' })}.${payload}.${Buffer.alloc(64).toString('base64url')}`,
      ],
      [
        'right, with a key of its own',
        `${base64({ alg: 'EdDSA', jwk: { kty: 'OKP', crv: 'Ed25519', x: raw } })}.${payload}.AAAA`,
      ],
      [
        'right, with an extension that must be understood',
        `${base64({ alg: 'EdDSA', crit: ['x'], x: 1 })}.${payload}.AAAA`,
      ],
    ];
    test.each(cases)('%s', async (_what, token) => {
      expect(await sendWith(app, bearer(token))).toStrictEqual([
        401,
        'The token is rejected: it is not signed with an accepted key and algorithm',
      ]);
    });
  });

  test('API keys work next to tokens; a token together with a password is rejected', async () => {
    const { byKey, byPassword } = await createTestAccount(app, { username: 'both', password: 'Aa123456' });
    expect(await sendWith(app, byKey)).toStrictEqual([200, undefined]);
    const token = await issue({ scope: '*' });
    expect(await sendWith(app, { 'X-APIKEY': token })).toStrictEqual([200, undefined]);
    expect(await sendWith(app, { 'X-APIKEY': token, ...byPassword })).toStrictEqual([
      401,
      'Send a token, or a username and a password, not both',
    ]);
  });
});
