import { describe, expect, test } from '@jest/globals';
import { busy, empty, locked, useExplorerWithBlockedGroups } from '../support/blocked-groups.ts';
import { describeInBrowser } from '../support/explorer.ts';
import { testKey } from '../support/test-app.ts';

// What the explorer offers if a delete is blocked.

describeInBrowser('the explorer in Chromium', () => {
  const { app, explorer, openPage, signIn, button } = useExplorerWithBlockedGroups();

  const groupsOf = async () =>
    (await app.sql('SELECT username, group_id AS id FROM subscribers ORDER BY username')).map((row) =>
      Object.values(row),
    );
  const groupIds = async () => (await app.sql('SELECT id FROM groups ORDER BY id')).map(({ id }) => id);
  const lastCalls = async (count: number) =>
    (await app.sql('SELECT operation, outcome FROM audit_events ORDER BY id DESC LIMIT $1', [count])).map(
      (row) => Object.values(row).join(' '),
    );

  describe('a delete that active subscribers block', () => {
    test('offers to move them and no plain delete; the chosen group is sent as moveSubscribersTo, and the offered restore brings them back', async () => {
      await signIn();
      await explorer.run();
      const dialog = explorer.page.getByRole('dialog', { name: 'deleteGroup is blocked' });
      await dialog
        .getByRole('row', { name: '7 Busy Cannot delete group with active subscribers 2 0' })
        .waitFor();
      const choice = dialog.getByLabel('Move the active subscribers to');
      await choice.waitFor();
      expect(await choice.locator('option').allInnerTexts()).toStrictEqual([
        'choose a group',
        '8 Empty',
        '9 Locked',
      ]);
      expect(await button('Delete group 7').count()).toBe(0);
      expect(await button('Move 2 subscribers to group … and delete group 7').isDisabled()).toBe(true);
      await choice.selectOption('8 Empty');
      await button('Move 2 subscribers to group 8 and delete group 7').click();
      await explorer.waitForResponse('"name": "Busy"');
      expect(await groupIds()).toStrictEqual([empty, locked]);
      expect(await groupsOf()).toStrictEqual([
        ['ali', empty],
        ['mina', empty],
        ['omid', locked],
      ]);
      // The operation in the tab stays as it was.
      await explorer.waitForQuery('deleteGroup(id: $id, reason: $reason)');

      await button('Open a tab with restoreGroup').click();
      await explorer.waitForQuery('restoreGroup(id: 7, moveSubscribersBack: true)');
      await explorer.run();
      await explorer.waitForResponse('"name": "Busy"');
      expect(await groupsOf()).toStrictEqual([
        ['ali', busy],
        ['mina', busy],
        ['omid', locked],
      ]);
    });

    test.each([
      ['a variable', 'mutation ($to: Int) { deleteGroup(id: 7, moveSubscribersTo: $to) { name } }'],
      ['null', 'mutation { deleteGroup(moveSubscribersTo: null, id: 7) { name } }'],
      ['an alias', 'mutation { # comment\n gone: deleteGroup(id: 7 ) { name } }'],
      ['a fragment', 'mutation { ...F } fragment F on Mutation { deleteGroup(id: 7) { name } }'],
    ])('with %s in the operation, the chosen group is sent, too', async (_what, query) => {
      await signIn();
      await explorer.writeQuery(query);
      await explorer.writeVariables({});
      await explorer.run();
      await explorer.page.getByLabel('Move the active subscribers to').selectOption('8 Empty');
      await button('Move 2 subscribers to group 8 and delete group 7').click();
      expect(await explorer.waitForResponse('"name": "Busy"')).not.toContain('errors');
      expect(await groupIds()).toStrictEqual([empty, locked]);
      await explorer.page.getByText('Group 7 was deleted.').waitFor();
    });

    test('without another group the delete is only cancelled, and nothing is sent', async () => {
      await app.sql('DELETE FROM subscribers WHERE group_id <> $1', [busy]);
      await app.sql('DELETE FROM groups WHERE id <> $1', [busy]);
      await signIn();
      await explorer.run();
      await explorer.page.getByText('There is no other group to move the subscribers to.').waitFor();
      await button('Cancel').click();
      await explorer.waitForResponse('Not sent: you chose to cancel');
      expect(await groupIds()).toStrictEqual([busy]);
    });

    test('deleteGroups offers a tab that moves the subscribers, and sends nothing itself', async () => {
      await signIn();
      await explorer.writeQuery('mutation { deleteGroups(ids: [7, 8]) { name } }');
      await explorer.run();
      await button('Open a tab that moves the subscribers of group 7').click();
      await explorer.waitForQuery('moveSubscribers(fromGroupId: $fromGroupId, toGroupId: $toGroupId)');
      expect(await groupIds()).toStrictEqual([busy, empty, locked]);
      await explorer.writeVariables({ fromGroupId: 7, toGroupId: 9 });
      await explorer.run();
      await explorer.waitForResponse('"movedCount": 2');
      await explorer.openTab('<untitled>');
      await explorer.waitForResponse('Not sent: you chose to cancel');
      await explorer.run();
      await button('Delete groups 7 and 8').click();
      await explorer.page.getByText('2 groups were deleted.').waitFor();
      expect(await groupIds()).toStrictEqual([locked]);
      await button('Open a tab with restoreGroup').click();
      await explorer.run();
      await explorer.waitForResponse('"group8"');
      expect(await groupIds()).toStrictEqual([busy, empty, locked]);
    });
  });

  test('a delete that the protection blocks offers a tab that removes it, even with subscribers, and no delete', async () => {
    await signIn();
    await explorer.writeVariables({ id: locked });
    await explorer.run();
    const dialog = explorer.page.getByRole('dialog', { name: 'deleteGroup is blocked' });
    await dialog.getByRole('row', { name: '9 Locked' }).waitFor();
    expect(await dialog.getByRole('button').allInnerTexts()).toStrictEqual([
      'Open a tab that removes the protection of group 9',
      'Cancel',
    ]);
    await explorer.screenshot('light-blocked-protected');
    await dialog.getByRole('button', { name: 'Open a tab' }).click();
    await explorer.waitForQuery('editGroup(id: $id, group: { protected: false })');
    expect(await lastCalls(1)).toStrictEqual(['subscribe done']);
    await explorer.run();
    await explorer.waitForResponse('"protected": false');
    await explorer.openTab('DeleteGroup');
    await explorer.waitForResponse('Not sent: you chose to cancel');
    await explorer.run();
    await explorer.page.getByLabel('Move the active subscribers to').selectOption('8 Empty');
    await button('Move 1 subscriber to group 8 and delete group 9').click();
    await explorer.waitForResponse('"name": "Locked"');
    expect(await lastCalls(2)).toStrictEqual(['deleteGroup done', 'editGroup done']);
  });

  describe('a delete after a field that may remove its blocker', () => {
    const question = () => explorer.page.getByRole('dialog', { name: 'Run deleteGroup?' });
    const buttons = () => question().getByRole('button').allInnerTexts();

    test('an editGroup that removes the protection: it can be sent, and succeeds', async () => {
      await app.sql('DELETE FROM subscribers WHERE group_id = $1', [locked]);
      await signIn();
      await explorer.writeQuery(
        'mutation { editGroup(id: 9, group: { protected: false }) { id } deleteGroup(id: 9) { name } }',
      );
      await explorer.run();
      await question().getByText('its first fields may remove what blocks the delete').waitFor();
      expect(await buttons()).toStrictEqual([
        'Open a tab that removes the protection of group 9',
        'Cancel',
        'Delete group 9',
      ]);
      await button('Delete group 9').click();
      expect(await explorer.waitForResponse('"name": "Locked"')).not.toContain('errors');
      expect(await groupIds()).toStrictEqual([busy, empty]);
    });

    test('a moveSubscribers: it is sent as written, without moveSubscribersTo, which is still offered', async () => {
      await signIn();
      await explorer.writeQuery(
        'mutation { moveSubscribers(fromGroupId: 7, toGroupId: 9) { movedCount } deleteGroup(id: 7) { name } }',
      );
      await explorer.run();
      await question().getByLabel('Move the active subscribers to').selectOption('8 Empty');
      expect(await buttons()).toStrictEqual([
        'Cancel',
        'Move 2 subscribers to group 8 and delete group 7',
        'Delete group 7',
      ]);
      await button('Delete group 7').click();
      expect(await explorer.waitForResponse('"name": "Busy"')).not.toContain('errors');
      expect(await groupIds()).toStrictEqual([empty, locked]);
      expect(await groupsOf()).toStrictEqual([
        ['ali', locked],
        ['mina', locked],
        ['omid', locked],
      ]);
    });

    test.each([
      ['after the delete', 'deleteGroup(id: 7) { id } editGroup(id: 7, group: { hidden: true }) { id }'],
      [
        'that is a dry run',
        'moveSubscribers(fromGroupId: 7, toGroupId: 9, dryRun: true) { movedCount } deleteGroup(id: 7) { id }',
      ],
      ['that deletes another group', 'other: deleteGroup(id: 8) { id } deleteGroup(id: 7) { id }'],
    ])('a field %s unblocks nothing: no plain delete', async (_which, fields) => {
      await signIn();
      await explorer.writeQuery(`mutation { ${fields} }`);
      await explorer.run();
      await explorer.page.getByRole('dialog', { name: /^deleteGroup.* is blocked$/ }).waitFor();
      expect(await explorer.page.getByRole('button', { name: /^Delete group/ }).count()).toBe(0);
      await button('Cancel').click();
      await explorer.waitForResponse('Not sent: you chose to cancel');
      expect(await groupIds()).toStrictEqual([busy, empty, locked]);
    });
  });

  test('the button says what the operation does; cancelled it changes nothing', async () => {
    await signIn();
    for (const [fields, name] of [
      ['purgeDeletedGroup(id: 7) { id }', 'Delete group 7 permanently'],
      ['deleteServiceGroup(id: 2) { id }', 'Delete service group 2'],
      [
        'removeUserSubscription(username: "ali", groupId: 7) { username }',
        'End the subscription of ali to group 7',
      ],
      ['removeUserSubscription(username: "ali") { username }', 'End the subscription of ali'],
      ['deleteGroups(ids: 8) { id }', 'Delete group 8'],
      ['a: deleteGroup(id: 8) { id } b: deleteGroup(id: 11) { id }', 'Delete groups 8 and 11'],
      ['deleteGroups(ids: [11, 12, 13, 14]) { id }', 'Delete 4 groups'],
      ['deleteGroup(id: 8) { id } deleteServiceGroup(id: 2) { id }', 'Run all 2 fields'],
    ] as const) {
      await explorer.writeQuery(`mutation { ${fields} }`);
      await explorer.run();
      await button(name).waitFor();
      await button('Cancel').click();
      await explorer.waitForResponse('Not sent: you chose to cancel');
    }
    expect(await lastCalls(1)).toStrictEqual(['subscribe done']);
  });

  test.each([
    ['light', { colorScheme: 'light' }],
    ['narrow-dark', { colorScheme: 'dark', viewport: { width: 360, height: 740 } }],
  ] as const)(
    'the question about a blocked delete and the offered restore in %s have no accessibility violations that axe finds',
    async (name, options) => {
      const looked = await openPage(options);
      const expectNoViolations = async (what: string) => {
        await looked.screenshot(`${name}-${what}`);
        expect([what, await looked.findAccessibilityViolations()]).toStrictEqual([what, []]);
      };
      await looked.open(`#key=${testKey}`);
      await looked.readAccount();
      await looked.run();
      const choice = looked.page.getByLabel('Move the active subscribers to');
      await choice.waitFor();
      await expectNoViolations('blocked');
      await choice.selectOption('8 Empty');
      await expectNoViolations('blocked-chosen');
      await looked.page.getByRole('button', { name: 'Move 2 subscribers to group 8' }).click();
      await looked.waitForResponse('"name": "Busy"');
      await looked.page.getByText('Group 7 was deleted.').scrollIntoViewIfNeeded();
      await expectNoViolations('restore-offer');
      await looked.close();
    },
  );
});
