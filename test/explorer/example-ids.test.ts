import { expect, test } from '@jest/globals';
import { busy, useExplorerWithBlockedGroups } from '../support/blocked-groups.ts';
import { describeInBrowser } from '../support/explorer.ts';
import { createTestAccount } from '../support/test-accounts.ts';
import { testKey } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

describeInBrowser('the ids in the examples of the explorer', () => {
  const { app, explorer, signIn, button } = useExplorerWithBlockedGroups();

  const readVariables = async (tab: string) => {
    await explorer.openTab(tab);
    const lines = await explorer.page
      .locator('.graphiql-editor-tool .view-line')
      .filter({ visible: true })
      .allInnerTexts();
    return lines.join('').replace(/\s/g, '');
  };
  const isVariables = async (tab: string, variables: string) => {
    await waitUntil(async () => (await readVariables(tab)) === variables);
  };

  test('are those of the first group and the latest deleted one, after a reload as well; what the user wrote stays', async () => {
    await signIn();
    for (const tab of ['DeleteGroup', 'PreviewDelete', 'RestoreGroup']) await isVariables(tab, '{"id":7}');
    await explorer.openTab('PreviewDelete');
    await explorer.writeVariables({ id: 9 });
    // GraphiQL stores tabs half a second after the last change.
    await explorer.page.waitForTimeout(1000);
    await app.sql('DELETE FROM subscribers');
    await app.post('/deleteGroup', { id: busy });
    await signIn();
    await isVariables('DeleteGroup', '{"id":8}');
    await isVariables('PreviewDelete', '{"id":9}');
    await isVariables('RestoreGroup', '{"id":7}');
    expect(await explorer.page.locator('.graphiql-tab-button', { hasText: 'untitled' }).count()).toBe(0);
  });

  test('are 1 without groups, and for an account that cannot read groups', async () => {
    const { apiKey } = await createTestAccount(app, { username: 'auditor', scopes: ['audit:read'] });
    await signIn(apiKey!);
    await isVariables('DeleteGroup', '{"id":1}');
    await app.sql('DELETE FROM subscribers');
    await app.sql('DELETE FROM groups');
    await signIn();
    await isVariables('DeleteGroup', '{"id":1}');
    await isVariables('RestoreGroup', '{"id":1}');
  });

  test('change when another account signs in on the same page', async () => {
    await explorer.open();
    await isVariables('DeleteGroup', '{"id":1}');
    await explorer.page.waitForTimeout(1000);
    await explorer.page.getByLabel('API key').fill(testKey);
    await button('Sign in').click();
    await explorer.readAccount();
    await isVariables('DeleteGroup', '{"id":7}');
    await isVariables('PreviewDelete', '{"id":7}');
    // The editors of the signed-out page store nothing any more.
    await explorer.page.waitForTimeout(1000);
    expect(await explorer.page.evaluate("localStorage['graphiql:tabState']")).not.toContain('"id\\\\\\": 1');
  });
});
