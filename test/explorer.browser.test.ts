import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import {
  chromiumPath,
  launchChromium,
  openExplorerPage,
  type ExplorerPage,
} from './support/explorer-page.ts';
import { createTestAccount } from './support/test-accounts.ts';
import { openTestApp, testKey, type TestApp } from './support/test-app.ts';

if (!chromiumPath) {
  process.stdout.write(
    'The explorer is not opened in a browser, since Chromium is not installed: those tests are skipped\n',
  );
}
/** Only Debian's Chromium makes them possible; CI installs it. */
const describeInBrowser = chromiumPath ? describe : describe.skip;

describeInBrowser('the explorer in Chromium', () => {
  let app: TestApp;
  let browser: Browser;
  let explorer: ExplorerPage;
  beforeAll(async () => {
    app = await openTestApp({ SAMPLE_DATA: true });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    await app.close();
  });
  beforeEach(async () => {
    explorer = await openExplorerPage(browser, app.httpUrl);
  });
  afterEach(async () => {
    const { foreignRequests } = explorer;
    await explorer.close();
    expect(foreignRequests).toStrictEqual([]);
  });

  const signIn = async () => {
    await explorer.open(`#key=${testKey}`);
    expect(await explorer.readAccount()).toBe('signed in as admin: all scopes');
  };
  const typeKey = async (key: string, { isRemembered = false } = {}) => {
    const { page } = explorer;
    await page.getByLabel('API key').fill(key);
    if (isRemembered) await page.getByLabel('remember in this browser').check();
    await page.getByRole('button', { name: 'Sign in' }).click();
  };
  const readStorage = () =>
    explorer.page.evaluate('JSON.stringify([{ ...localStorage }, { ...sessionStorage }])');
  const groupNames = async () =>
    (await app.sql('SELECT name FROM groups ORDER BY id')).map(({ name }) => name as string);

  describe('signing in', () => {
    test('by the URL takes the key out of it, and stores it nowhere', async () => {
      await signIn();
      expect(explorer.page.url()).toBe(`${app.httpUrl}/`);
      expect(await readStorage()).not.toContain(testKey);
      await explorer.open();
      await explorer.page.getByLabel('API key').waitFor();
      expect(explorer.complaints).toStrictEqual([]);
    });

    test('by the form says whose key it is, and with which scopes', async () => {
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
      await explorer.page.getByRole('button', { name: 'Send it' }).click();
      await explorer.waitForResponse('"requiredScope": "groups:delete"');
    });

    test('remembers the key where the person asks for it, until they sign out', async () => {
      await explorer.open();
      await typeKey(testKey, { isRemembered: true });
      await explorer.readAccount();
      await explorer.open();
      expect(await explorer.readAccount()).toBe('signed in as admin: all scopes');
      await explorer.page.getByRole('button', { name: 'Sign out' }).click();
      expect(await readStorage()).not.toContain(testKey);
      await explorer.open();
      await explorer.page.getByLabel('API key').waitFor();
    });

    test('with a wrong key says what to do', async () => {
      await explorer.open('#key=not-a-key-of-this-server-at-all....');
      const problem = await explorer.readProblem();
      expect(problem).toContain('does not know this key');
      expect(problem).toContain('npx group-api accounts rotate admin');
      await typeKey(testKey);
      expect(await explorer.readAccount()).toBe('signed in as admin: all scopes');
    });

    test('ends when the key stops working, and says so', async () => {
      const { apiKey } = await createTestAccount(app, { username: 'leaver' });
      await explorer.open(`#key=${apiKey}`);
      await explorer.readAccount();
      await app.sql("DELETE FROM accounts WHERE username = 'leaver'");
      await explorer.openTab('AuditEvents');
      const isOut = async () => (await explorer.page.getByLabel('API key').count()) === 1;
      // The server looks an account up again after a second.
      for (let tries = 0; tries < 30 && !(await isOut()); tries++) {
        await explorer.run();
        await explorer.page.waitForTimeout(200);
      }
      expect(await explorer.readProblem()).toContain('does not know this key');
      await explorer.waitForResponse('does not know this key');
    });
  });

  describe('deleting', () => {
    test('shows whom it meets and asks; then the group is gone, and can be brought back', async () => {
      const before = await groupNames();
      await signIn();
      const { page } = explorer;
      await explorer.run();
      const dialog = page.getByRole('dialog', { name: 'Send deleteGroup?' });
      await dialog.getByRole('row', { name: '1 Trial 0 0 can be deleted' }).waitFor();
      await explorer.screenshot('light-asks');
      await dialog.getByRole('button', { name: 'Cancel' }).click();
      await explorer.waitForResponse('Not sent: you chose to cancel');
      expect(await groupNames()).toStrictEqual(before);

      await explorer.run();
      await page.keyboard.press('Escape');
      await explorer.waitForResponse('Not sent: you chose to cancel');
      expect(await groupNames()).toStrictEqual(before);

      await explorer.run();
      await page.getByRole('button', { name: 'Send it' }).click();
      await explorer.waitForResponse('"name": "Trial"');
      expect(await groupNames()).toStrictEqual(before.slice(1));
      await explorer.screenshot('light-deleted');

      await explorer.openTab('RestoreGroup');
      await explorer.run('RestoreGroup');
      await explorer.waitForResponse('"tagName": "trial"');
      expect(await groupNames()).toStrictEqual(before);
      expect(explorer.complaints).toStrictEqual([]);
      expect(
        await app.sql(
          'SELECT operation, outcome FROM audit_events WHERE account = $1 ORDER BY id DESC LIMIT 2',
          ['admin'],
        ),
      ).toStrictEqual([
        { operation: 'restoreGroup', outcome: 'done' },
        { operation: 'deleteGroup', outcome: 'done' },
      ]);
    });

    test('a group with subscribers is shown to be blocked, and then refused', async () => {
      await app.post('/subscribe', { username: 'mina', groupId: 2 });
      await signIn();
      await explorer.writeVariables({ id: 2 });
      await explorer.run();
      const row = explorer.page.getByRole('row', { name: '2 One month 1 0' });
      expect(await row.innerText()).toContain('Cannot delete group with active subscribers');
      await explorer.page.getByRole('button', { name: 'Send it' }).click();
      await explorer.waitForResponse('"code": "HAS_ACTIVE_SUBSCRIBERS"');
    });

    test('a group whose subscribers are moved is shown to be free, and to where they move', async () => {
      await app.post('/subscribe', { username: 'omid', groupId: 4 });
      await signIn();
      await explorer.writeQuery('mutation { deleteGroup(id: 4, moveSubscribersTo: 3) { name } }');
      await explorer.run();
      const row = explorer.page.getByRole('row', { name: '4 Family year 1 0' });
      expect(await row.innerText()).toContain('can be deleted; the active ones move to group 3');
      await explorer.page.getByRole('button', { name: 'Send it' }).click();
      await explorer.waitForResponse('"name": "Family year"');
      expect(await app.sql("SELECT group_id FROM subscribers WHERE username = 'omid'")).toStrictEqual([
        { group_id: 3 },
      ]);
      await app.post('/restoreGroup', { id: 4 });
    });

    test.each([
      [
        'a fragment',
        'mutation { ...all } fragment all on Mutation { ... { deleteGroups(ids: [1, 3]) { id } } }',
        'deleteGroups(ids: [1,3])',
      ],
      ['an alias', 'mutation { query: purgeDeletedGroup(id: 9) { id } }', 'purgeDeletedGroup(id: 9)'],
      [
        'a default',
        'mutation ($family: Int! = 2) { deleteServiceGroup(id: $family) { id } }',
        'deleteServiceGroup(id: 2)',
      ],
    ])('asks where it is hidden in %s', async (_where, query, shown) => {
      const before = await groupNames();
      await signIn();
      await explorer.writeQuery(query);
      await explorer.run();
      const dialog = explorer.page.getByRole('dialog');
      await dialog.getByText(shown, { exact: true }).waitFor();
      await dialog.getByRole('button', { name: 'Cancel' }).click();
      await explorer.waitForResponse('Not sent: you chose to cancel');
      expect(await groupNames()).toStrictEqual(before);
    });

    test('a dry run is not asked for', async () => {
      const before = await groupNames();
      await signIn();
      await explorer.writeQuery('mutation { deleteGroup(id: 1, dryRun: true) { name } }');
      await explorer.run();
      await explorer.waitForResponse('"name": "Trial"');
      expect(await groupNames()).toStrictEqual(before);
    });

    test('a group that is not there is said not to be there, before and after', async () => {
      await signIn();
      await explorer.writeVariables({ id: 4711 });
      await explorer.run();
      await explorer.page.getByRole('row', { name: '4711 ? ? Group not found' }).waitFor();
      await explorer.page.getByRole('button', { name: 'Send it' }).click();
      await explorer.waitForResponse('"code": "NOT_FOUND"');
    });
  });

  test.each([
    ['PreviewDelete', '"canDelete": true', ''],
    ['RestoreGroup', '"nodes": [', 'DeletedGroups'],
    ['CreateGroup', '"name": "Ten days"', ''],
    ['SearchGroups', '"totalCount": 2', ''],
    ['AuditEvents', '"operation": "deleteGroup"', ''],
  ])('the tab %s works on the sample groups as it stands', async (name, expected, operationName) => {
    await signIn();
    await explorer.openTab(name);
    await explorer.run(operationName);
    expect(await explorer.waitForResponse(expected)).not.toContain('"errors"');
    expect(explorer.complaints).toStrictEqual([]);
  });

  test('a server that has stopped is said to have stopped, and what to do', async () => {
    const brief = await openTestApp({ SAMPLE_DATA: true });
    const page = await openExplorerPage(browser, brief.httpUrl);
    await page.open(`#key=${testKey}`);
    await page.readAccount();
    await page.openTab('SearchGroups');
    await brief.close();
    await page.run();
    await page.waitForResponse('The server does not answer. See whether it still runs (npm start)');
    await page.page.getByRole('button', { name: 'Sign out' }).click();
    await page.page.getByLabel('API key').fill(testKey);
    await page.page.getByRole('button', { name: 'Sign in' }).click();
    expect(await page.readProblem()).toContain('The server does not answer');
    expect(page.foreignRequests).toStrictEqual([]);
    await page.close();
  });

  describe('looks', () => {
    test.each([
      ['light', { colorScheme: 'light' }],
      ['dark', { colorScheme: 'dark' }],
      ['narrow', { colorScheme: 'light', viewport: { width: 360, height: 740 } }],
      ['narrow-dark', { colorScheme: 'dark', viewport: { width: 360, height: 740 } }],
    ] as const)(
      '%s without a fault of accessibility that axe finds',
      async (name, options) => {
        const looked = await openExplorerPage(browser, app.httpUrl, options);
        const expectNoFaults = async (what: string) => {
          await looked.screenshot(`${name}-${what}`);
          expect([what, await looked.findAccessibilityFaults()]).toStrictEqual([what, []]);
          const width = await looked.page.evaluate('document.documentElement.scrollWidth');
          expect(width).toBeLessThanOrEqual(looked.page.viewportSize()!.width);
        };
        await looked.open();
        await expectNoFaults('signed-out');
        await looked.open('#key=wrong');
        await looked.readProblem();
        await expectNoFaults('wrong-key');
        await looked.open(`#key=${testKey}`);
        await looked.readAccount();
        await expectNoFaults('signed-in');
        await looked.run();
        await looked.page.getByRole('row', { name: 'Trial' }).waitFor();
        await expectNoFaults('asks');
        await looked.page.getByRole('button', { name: 'Cancel' }).click();
        await looked.openTab('SearchGroups');
        await looked.run();
        await looked.waitForResponse('"searchGroups"');
        await looked.page.locator('.graphiql-response').scrollIntoViewIfNeeded();
        await expectNoFaults('response');
        await looked.page.goto(`${app.httpUrl}/sandbox`);
        await expectNoFaults('sandbox');
        expect(looked.foreignRequests).toStrictEqual([]);
        await looked.close();
      },
      90_000,
    );
  });
});
