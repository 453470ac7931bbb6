import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import { createAccountsCommand } from '../src/cli/accounts.ts';
import { createNumberGroupsCommand } from '../src/cli/number-groups.ts';
import { createAutodialerClient } from './support/autodialer.ts';
import { openTestApp, type TestApp } from './support/test-app.ts';

// Runs the commands of accounts.command-line.test.ts in this process, so that the coverage includes them.
let app: TestApp;
let printed: string;
const environment = { ...process.env };
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());
beforeEach(() => {
  process.env['DATABASE_URL'] = app.url;
  jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
});
afterEach(() => {
  jest.restoreAllMocks();
  process.env['DATABASE_URL'] = environment['DATABASE_URL'] ?? '';
});

const run = async (...given: string[]) => {
  printed = '';
  await createAccountsCommand().parseAsync(given, { from: 'user' });
  return printed;
};

test('accounts create, list, edit, rotate, disable, enable and remove work in this process', async () => {
  const created = JSON.parse(await run('create', 'clerk', '--scope', 'groups:read', '--json'));
  expect(created).toMatchObject({ username: 'clerk', apiKey: expect.stringMatching(/^ga_/) });
  expect(await run('list')).toMatch(/^clerk +api-key +groups:read +any +enabled$/m);
  expect(await run('edit', 'clerk', '--scope', 'audit:read', '--network', '10.0.0.0/8')).toMatch(
    /^clerk +api-key +audit:read +10\.0\.0\.0\/8 +enabled$/m,
  );
  const { apiKey } = JSON.parse(await run('rotate', 'clerk', '--json'));
  expect(apiKey).not.toBe(created.apiKey);
  expect(await run('disable', 'clerk')).toBe('Account clerk is disabled\n');
  expect(await run('enable', 'clerk')).toBe('Account clerk is enabled\n');
  expect(await run('remove', 'clerk', '--yes')).toBe('Account clerk is removed\n');
  expect(await app.sql(`SELECT FROM accounts WHERE username = 'clerk'`)).toStrictEqual([]);
});

test('accounts create without a credential is rejected', async () => {
  await expect(run('create', 'clerk', '--scope', '*', '--no-api-key')).rejects.toThrow('An account needs');
  await expect(run('edit', 'admin')).rejects.toThrow('Give --scope, --network or --expires');
  await expect(run('rotate', 'nobody')).rejects.toThrow('There is no account "nobody"');
});

test('number-groups list and restore work in this process', async () => {
  const { addGroup, call } = createAutodialerClient(() => app);
  const id = await addGroup({ name: 'back' });
  await call('remove', { _id: id });
  const runNumberGroups = async (...given: string[]) => {
    printed = '';
    await createNumberGroupsCommand().parseAsync(given, { from: 'user' });
    return printed;
  };
  expect(await runNumberGroups('removed')).toContain(id);
  expect(JSON.parse(await runNumberGroups('restore', id, '--json'))).toMatchObject({
    _id: id,
    name: 'back',
    count: 1,
  });
  await expect(runNumberGroups('restore', id)).rejects.toThrow('exists: it is not removed');
});
