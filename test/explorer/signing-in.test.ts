import { expect, test } from '@jest/globals';
import { describeInBrowser, useExplorer } from '../support/explorer.ts';
import { createTestAccount } from '../support/test-accounts.ts';
import { testKey, useTestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

describeInBrowser('signing in to the explorer', () => {
  const app = useTestApp({ SAMPLE_DATA: true });
  const { explorer, signIn } = useExplorer(app);
  const signInByUrl = async () => expect(await signIn()).toBe('signed in as admin: all scopes');

  const typeKey = async (key: string, { isCached = false } = {}) => {
    const { page } = explorer;
    await page.getByLabel('API key').fill(key);
    if (isCached) await page.getByLabel('remember in this browser').check();
    await page.getByRole('button', { name: 'Sign in' }).click();
  };
  const readStorage = () =>
    explorer.page.evaluate('JSON.stringify([{ ...localStorage }, { ...sessionStorage }])');

  test('signing in by the URL removes the key from the URL, and does not store it', async () => {
    await signInByUrl();
    expect(explorer.page.url()).toBe(`${app.httpUrl}/`);
    expect(await readStorage()).not.toContain(testKey);
    await explorer.open();
    await explorer.page.getByLabel('API key').waitFor();
  });

  test('signing in by the form shows the account and its scopes, and does not store the key', async () => {
    const { apiKey } = await createTestAccount(app, {
      username: 'reader',
      scopes: ['groups:read', 'audit:read'],
    });
    await explorer.open();
    await explorer.waitForResponse('sign in with your API key');
    await typeKey(apiKey!);
    expect(await explorer.readAccount()).toBe('signed in as reader: groups:read, audit:read');
    expect(await readStorage()).not.toContain(apiKey);
    await explorer.run();
    await explorer.page.getByRole('button', { name: /^Delete group/ }).click();
    await explorer.waitForResponse('"requiredScope": "groups:delete"');
  });

  test('the key is stored if the user asks for it, until they sign out', async () => {
    await explorer.open();
    await typeKey(testKey, { isCached: true });
    await explorer.readAccount();
    await explorer.open();
    expect(await explorer.readAccount()).toBe('signed in as admin: all scopes');
    await explorer.page.getByRole('button', { name: 'Sign out' }).click();
    expect(await readStorage()).not.toContain(testKey);
    await explorer.open();
    await explorer.page.getByLabel('API key').waitFor();
  });

  test('signing in with a wrong key shows what to do', async () => {
    await explorer.open('#key=not-a-key-of-this-server-at-all....');
    const problem = await explorer.readProblem();
    expect(problem).toContain('Invalid API key');
    expect(problem).toContain('npx --no-install group-api accounts rotate <account>');
    await typeKey(testKey);
    expect(await explorer.readAccount()).toBe('signed in as admin: all scopes');
  });

  test('a key that stops working signs the user out, with a message', async () => {
    const { apiKey } = await createTestAccount(app, { username: 'leaver' });
    await explorer.open(`#key=${apiKey}`);
    await explorer.readAccount();
    await app.sql("DELETE FROM accounts WHERE username = 'leaver'");
    await explorer.openTab('AuditEvents');
    const isOut = async () => (await explorer.page.getByLabel('API key').count()) === 1;
    // The server caches an account for one second.
    await waitUntil(async () => {
      await explorer.run();
      return isOut();
    });
    expect(await explorer.readProblem()).toContain('Invalid API key');
    await explorer.waitForResponse('sign in with your API key first');
  });

  test('another account sees no responses of the previous account', async () => {
    const { apiKey } = await createTestAccount(app, { username: 'next', scopes: ['groups:read'] });
    await signInByUrl();
    await explorer.openTab('AuditEvents');
    await explorer.writeVariables({});
    await explorer.run();
    await explorer.waitForResponse('"auditEvents"');
    await explorer.openTab('PreviewDelete');
    await explorer.page.getByRole('button', { name: 'Sign out' }).click();
    await explorer.waitForResponse('sign in with your API key');
    await typeKey(apiKey!);
    expect(await explorer.readAccount()).toBe('signed in as next: groups:read');
    await explorer.openTab('AuditEvents');
    await explorer.page.waitForTimeout(500);
    expect(await explorer.readResponse()).toBe('');
  });

  test('headers from the headers pane are not stored, and credentials in it are not sent', async () => {
    await signInByUrl();
    await explorer.openTab('SearchGroups');
    await explorer.page.getByRole('button', { name: 'Headers' }).click();
    await explorer.writeHeaders({ Authorization: 'Bearer s3cr3t', 'content-type': 'text/plain' });
    await explorer.run();
    expect(await explorer.waitForResponse('"totalCount"')).not.toContain('"errors"');
    await explorer.page.waitForTimeout(1000);
    const stored = await readStorage();
    expect(stored).toContain('graphiql:queries');
    expect(stored).not.toContain('s3cr3t');
  });

  test('signing in with a wrong key signs out, and keeps the stored key', async () => {
    await explorer.open();
    await typeKey(testKey, { isCached: true });
    await explorer.readAccount();
    await explorer.page.evaluate("location.hash = '#key=another-key-that-is-wrong-in-here'");
    expect(await explorer.readProblem()).toContain('Invalid API key');
    expect(await readStorage()).toContain(testKey);
    await explorer.open();
    expect(await explorer.readAccount()).toBe('signed in as admin: all scopes');
  });

  test.each(['€', 'a%0d%0ab'])(
    'a key that is not valid in a header (%s) is rejected with a message',
    async (key) => {
      await explorer.open(`#key=${key}`);
      expect(await explorer.readProblem()).toBe(
        'Not sent: the key or a header contains a character that is not allowed in HTTP headers.',
      );
    },
  );

  test('the explorer works in a browser that denies storage', async () => {
    await explorer.page.addInitScript(
      "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })",
    );
    await explorer.open(`#key=${testKey}`);
    expect(await explorer.readAccount()).toBe('signed in as admin: all scopes');
    expect(explorer.page.url()).toBe(`${app.httpUrl}/`);
    await explorer.page.getByRole('button', { name: 'Sign out' }).click();
    await typeKey(testKey, { isCached: true });
    await explorer.readAccount();
    expect(await explorer.readProblem()).toBe('This browser does not allow the page to store the key.');
  });
});
