import { expect, test } from '@jest/globals';
import { serverAudits } from 'graphql-http';
import { testKey, useTestApp } from '../support/test-app.ts';

const app = useTestApp();

const audits = serverAudits({
  url: () => `${app.httpUrl}/graphql`,
  fetchFn: (url: string, init?: RequestInit) =>
    fetch(url, { ...init, headers: { ...(init?.headers as object), Authorization: `Bearer ${testKey}` } }),
});

test('graphql-http has 61 audits', () => {
  expect(audits).toHaveLength(61);
});

test.each(audits.map((audit) => [audit.id, audit.name, audit] as const))(
  '%s %s',
  async (_id, _name, audit) => {
    expect(await audit.fn()).toMatchObject({ status: 'ok' });
  },
);
