import { beforeAll } from '@jest/globals';
import { createTestAccount } from './test-accounts.ts';
import { testKey, type TestApp } from './test-app.ts';

/** Accounts with and without access to the autodialer, and a function that sends requests as one of them. */
export function useAutodialerCallers(app: TestApp) {
  /** The headers of each caller. */
  const callers: Record<string, Record<string, string>> = {
    anonymous: {},
    'an unknown key': { 'X-APIKEY': 'vZKtIKWsld0egNlkzHo8i5LVBqLNBSWARCQsPOSgDjFmAHM3tH' },
    admin: { 'X-APIKEY': testKey },
  };
  beforeAll(async () => {
    const network = { allowedNetworks: ['10.0.0.0/8'] };
    callers['no scope'] = (
      await createTestAccount(app, { username: 'scopeless', scopes: ['groups:read'] })
    ).byKey;
    callers['another network'] = (await createTestAccount(app, { username: 'away', ...network })).byKey;
  });
  const ask = async (
    caller: string,
    method: string,
    path: string,
    type: string | undefined,
    body: string | undefined,
  ) => {
    const response = await fetch(app.httpUrl + path, {
      method,
      headers: { ...callers[caller], ...(type !== undefined && { 'Content-Type': type }) },
      ...(body !== undefined && { body }),
    });
    return { response, status: response.status, body: await response.json() };
  };
  return { callers, ask };
}
