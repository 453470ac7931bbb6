import { describe, expect, test } from '@jest/globals';
import { describeInBrowser, useExplorer } from '../support/explorer.ts';
import { openTestApp, testKey, useTestApp } from '../support/test-app.ts';

describeInBrowser('the explorer in Chromium', () => {
  const app = useTestApp({ SAMPLE_DATA: true });
  const { explorer, openPage, signIn } = useExplorer(app);

  const groupNames = async () =>
    (await app.sql('SELECT name FROM groups ORDER BY id')).map(({ name }) => name as string);

  describe('deleting', () => {
    test('a delete shows its preview and asks; cancelled it changes nothing; confirmed it deletes, and the group can be restored', async () => {
      const before = await groupNames();
      await signIn();
      const { page } = explorer;
      await explorer.run();
      const dialog = page.getByRole('dialog', { name: 'Run deleteGroup?' });
      await dialog.getByRole('row', { name: '1 Trial can be deleted 0 0' }).waitFor();
      await explorer.screenshot('light-asks');
      await dialog.getByRole('button', { name: 'Cancel' }).click();
      await explorer.waitForResponse('Not sent: you chose to cancel');
      expect(await groupNames()).toStrictEqual(before);

      await explorer.run();
      await page.keyboard.press('Escape');
      await explorer.waitForResponse('Not sent: you chose to cancel');
      expect(await groupNames()).toStrictEqual(before);

      await explorer.run();
      await page.getByRole('button', { name: 'Delete group 1', exact: true }).click();
      await explorer.waitForResponse('"name": "Trial"');
      expect(await groupNames()).toStrictEqual(before.slice(1));
      await page.getByText('Group 1 was deleted. restoreGroup undoes this').waitFor();
      await explorer.screenshot('light-deleted');

      await page.getByRole('button', { name: 'Open a tab with restoreGroup' }).click();
      await explorer.waitForQuery('restoreGroup(id: 1)');
      expect(await groupNames()).toStrictEqual(before.slice(1));
      await explorer.run();
      await explorer.waitForResponse('"name": "Trial"');
      expect(await groupNames()).toStrictEqual(before);
      expect(await page.getByText('Group 1 was deleted').count()).toBe(0);
      expect(
        await app.sql(
          'SELECT operation, outcome, reason FROM audit_events WHERE account = $1 ORDER BY id DESC LIMIT 2',
          ['admin'],
        ),
      ).toStrictEqual([
        { operation: 'restoreGroup', outcome: 'done', reason: null },
        { operation: 'deleteGroup', outcome: 'done', reason: null },
      ]);
    });

    test('a delete with moveSubscribersTo shows the target; confirmed it moves the subscribers', async () => {
      await app.post('/subscribe', { username: 'omid', groupId: 4 });
      await signIn();
      await explorer.writeQuery('mutation { deleteGroup(id: 4, moveSubscribersTo: 3) { name } }');
      await explorer.run();
      const row = { name: '4 Family year its active subscribers will move to group 3 1 0' };
      await explorer.page.getByRole('row', row).waitFor();
      await explorer.page
        .getByRole('button', { name: 'Move 1 subscriber to group 3 and delete group 4' })
        .click();
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
    ])('a delete that is hidden in %s asks, and cancelled it is not sent', async (_where, query, shown) => {
      const audited = await app.sql('SELECT count(*) FROM audit_events');
      await signIn();
      await explorer.writeQuery(query);
      await explorer.run();
      const dialog = explorer.page.getByRole('dialog');
      await dialog.getByText(shown, { exact: true }).waitFor();
      await dialog.getByRole('button', { name: 'Cancel' }).click();
      await explorer.waitForResponse('Not sent: you chose to cancel');
      expect(await app.sql('SELECT count(*) FROM audit_events')).toStrictEqual(audited);
    });

    test('a delete cannot be confirmed before its preview is loaded', async () => {
      await signIn();
      await explorer.page.route('**/graphql', async (route) => {
        await explorer.page.waitForTimeout(1500);
        await route.continue();
      });
      await explorer.run();
      const send = explorer.page.getByRole('button', { name: /^Delete group/ });
      expect(await send.isDisabled()).toBe(true);
      await explorer.page.getByRole('row', { name: 'Trial' }).waitFor();
      expect(await send.isDisabled()).toBe(false);
      await explorer.page.getByRole('button', { name: 'Cancel' }).click();
    });

    test('many deletes are summarized, and an invalid id is reported', async () => {
      await signIn();
      const many = Array.from(
        { length: 25 },
        (_, index) => `a${index}: deleteGroup(id: ${index + 100}) { id }`,
      );
      await explorer.writeQuery(`mutation { ${many.join(' ')} deleteGroups(ids: [99999999999, 1]) { id } }`);
      await explorer.run();
      const dialog = explorer.page.getByRole('dialog', { name: 'Run deleteGroup × 25, deleteGroups?' });
      await dialog.getByText('… and 16 more fields.').waitFor();
      await dialog.getByText('… and 17 more groups, which are not shown here.').waitFor();
      await dialog.getByRole('button', { name: 'Cancel' }).click();
      await explorer.writeQuery('mutation { deleteGroups(ids: [99999999999, 1]) { id } }');
      await explorer.run();
      await explorer.page
        .getByRole('row', { name: '99999999999 Variable "$id" got invalid value' })
        .waitFor();
      await explorer.page.getByRole('row', { name: '1 Trial can be deleted' }).waitFor();
      await explorer.page.getByRole('button', { name: 'Cancel' }).click();
    });

    test('a dry run is sent without asking', async () => {
      const before = await groupNames();
      await signIn();
      await explorer.writeQuery('mutation { deleteGroup(id: 1, dryRun: true) { name } }');
      await explorer.run();
      await explorer.waitForResponse('"name": "Trial"');
      expect(await groupNames()).toStrictEqual(before);
    });

    test('a delete of a missing group shows "Group not found"; confirmed it returns NOT_FOUND', async () => {
      await signIn();
      await explorer.writeVariables({ id: 4711 });
      await explorer.run();
      await explorer.page.getByRole('row', { name: '4711 Group not found ? ?' }).waitFor();
      await explorer.page.getByRole('button', { name: /^Delete group/ }).click();
      await explorer.waitForResponse('"code": "NOT_FOUND"');
    });
  });

  test.each([
    ['PreviewDelete', '"canDelete": true', ''],
    ['RestoreGroup', '"nodes": [', 'DeletedGroups'],
    ['CreateGroup', '"name": "Ten days"', ''],
    ['SearchGroups', '"totalCount": 2', ''],
    ['AuditEvents', '"operation": "deleteGroup"', ''],
  ])('the example tab %s works on the sample groups unchanged', async (name, expected, operationName) => {
    await signIn();
    await explorer.openTab(name);
    await explorer.run(operationName);
    expect(await explorer.waitForResponse(expected)).not.toContain('"errors"');
  });

  test.each([
    ['HTML of a proxy', 502, 'text/html', '<h1>Bad Gateway</h1>'],
    ['JSON of a proxy', 503, 'application/json', '{"message":"no upstream"}'],
    ['nothing', 200, 'application/json', 'null'],
  ])(
    '%s instead of a response is reported as not from group-api',
    async (_what, status, contentType, body) => {
      await signIn();
      await explorer.page.route(/\/(graphql|whoami)$/, (route) =>
        route.fulfill({ status, contentType, body }),
      );
      await explorer.openTab('SearchGroups');
      await explorer.run();
      const expected = `Unexpected response (${status}) that did not come from group-api`;
      const response = await explorer.waitForResponse(expected);
      expect(response).not.toMatch(/It is unknown|stack/);
      await explorer.openTab('CreateGroup');
      await explorer.run();
      await explorer.waitForResponse(
        'It is unknown whether the mutation was executed; check the AuditEvents tab.',
      );
      await explorer.page.getByRole('button', { name: 'Sign out' }).click();
      await explorer.page.getByLabel('API key').fill(testKey);
      await explorer.page.getByRole('button', { name: 'Sign in' }).click();
      expect(await explorer.readProblem()).toContain(expected);
    },
  );

  test('a stopped server is reported with what to do', async () => {
    const brief = await openTestApp({ SAMPLE_DATA: true });
    const page = await openPage({}, brief.httpUrl);
    await page.open(`#key=${testKey}`);
    await page.readAccount();
    await page.openTab('SearchGroups');
    await brief.close();
    await page.run();
    await page.waitForResponse('The server does not respond. Check that it is running (npm start)');
    await page.page.getByRole('button', { name: 'Sign out' }).click();
    await page.page.getByLabel('API key').fill(testKey);
    await page.page.getByRole('button', { name: 'Sign in' }).click();
    expect(await page.readProblem()).toContain('The server does not respond');
    expect(page.foreignRequests).toStrictEqual([]);
    await page.close();
  });

  describe('accessibility', () => {
    test.each([
      ['light', { colorScheme: 'light' }],
      ['dark', { colorScheme: 'dark' }],
      ['narrow', { colorScheme: 'light', viewport: { width: 360, height: 740 } }],
      ['narrow-dark', { colorScheme: 'dark', viewport: { width: 360, height: 740 } }],
    ] as const)(
      'the explorer in %s has no accessibility violations that axe finds',
      async (name, options) => {
        const looked = await openPage(options);
        const expectNoViolations = async (what: string) => {
          await looked.screenshot(`${name}-${what}`);
          expect([what, await looked.findAccessibilityViolations()]).toStrictEqual([what, []]);
          const width = await looked.page.evaluate('document.documentElement.scrollWidth');
          expect(width).toBeLessThanOrEqual(looked.page.viewportSize()!.width);
        };
        await looked.open();
        await expectNoViolations('signed-out');
        await looked.open('#key=wrong');
        await looked.readProblem();
        await expectNoViolations('wrong-key');
        await looked.open(`#key=${testKey}`);
        await looked.readAccount();
        await expectNoViolations('signed-in');
        await looked.run();
        await looked.page.getByRole('row', { name: 'Trial' }).waitFor();
        await expectNoViolations('asks');
        await looked.page.getByRole('button', { name: 'Cancel' }).click();
        await looked.openTab('SearchGroups');
        await looked.run();
        await looked.waitForResponse('"searchGroups"');
        await looked.page.locator('.graphiql-response').scrollIntoViewIfNeeded();
        await expectNoViolations('response');
        expect(looked.foreignRequests).toStrictEqual([]);
        await looked.close();
      },
      300_000,
    );
  });
});
