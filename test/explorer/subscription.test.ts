import { afterEach, expect, test } from '@jest/globals';
import { describeInBrowser, useExplorer } from '../support/explorer.ts';
import type { ExplorerPage } from '../support/explorer-page.ts';
import { openForwarder } from '../support/forwarder.ts';
import { subscribe, type Subscription } from '../support/subscription.ts';
import { createTestAccount } from '../support/test-accounts.ts';
import { openTestApp, testKey, useTestApp } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';

describeInBrowser('a subscription in the explorer', () => {
  const app = useTestApp({ SAMPLE_DATA: true, MAX_SUBSCRIPTIONS: 3 });
  const { explorer, openPage, signIn } = useExplorer(app);
  const others: Subscription[] = [];

  /** Opens a subscription of another client. Returns whether the server, which has a maximum, accepts it. */
  const openOther = async () => {
    const other = await subscribe(app.httpUrl, 'subscription { groupEvents { id } }');
    if (other.status === 200) others.push(other);
    return other.status === 200;
  };
  const closeOthers = () => others.splice(0).forEach((other) => other.close());
  /** Opens subscriptions until the server has its maximum. */
  const fill = async () => {
    while (await openOther());
  };
  // The server has closed all subscriptions but at most two: the next test can open one.
  afterEach(async () => {
    await waitUntil(async () => {
      closeOthers();
      return (await openOther()) && openOther();
    });
    closeOthers();
  });

  const stopButton = ({ page }: ExplorerPage) => page.getByRole('button', { name: 'Stop query' });
  const runButton = ({ page }: ExplorerPage) => page.getByRole('button', { name: 'Execute query' });
  /** Runs the tab GroupEvents, and waits until the server has sent the head of the response. */
  const listen = async (looked: ExplorerPage = explorer) => {
    await looked.openTab('GroupEvents');
    const opened = looked.page.waitForResponse((response) =>
      Boolean(response.headers()['content-type']?.startsWith('text/event-stream')),
    );
    await looked.run();
    expect((await opened).status()).toBe(200);
  };
  /** Edits a group until the page shows an event of that: the first event of a subscription may precede it. */
  const waitForEdit = async (looked: ExplorerPage = explorer, onApp = app) => {
    await waitUntil(async () => {
      await onApp.post('/editGroup', { id: 2, group: { description: 'edited' } });
      return (await looked.readResponse()).includes('"type": "group.edited"');
    });
  };

  test('shows each change of another client; the run button ends it on the server, and later changes are not shown', async () => {
    await signIn();
    await listen();
    await waitForEdit();
    await app.post('/deleteGroup', { id: 1 });
    await explorer.waitForResponse('"type": "group.deleted"');
    expect(await explorer.waitForResponse('"name": "Trial"')).not.toContain('"errors"');
    await explorer.screenshot('light-listens');
    await app.post('/restoreGroup', { id: 1 });
    expect(await explorer.waitForResponse('"type": "group.restored"')).not.toContain('group.deleted');

    await fill();
    await stopButton(explorer).click();
    await waitUntil(openOther);
    await runButton(explorer).waitFor();
    await app.post('/editGroup', { id: 2, group: { description: 'not shown' } });
    await others.at(-1)!.receive(1);
    expect(await explorer.readResponse()).toContain('"type": "group.restored"');
  });

  test.each([
    ['opening another tab', () => explorer.openTab('AuditEvents')],
    ['signing out', () => explorer.page.getByRole('button', { name: 'Sign out' }).click()],
    ['closing the page', () => explorer.page.close()],
  ])('%s ends it on the server', async (_what, leave) => {
    await signIn();
    await listen();
    await fill();
    await leave();
    await waitUntil(openOther);
  });

  test('an account without its scope sees FORBIDDEN; above MAX_SUBSCRIPTIONS it is SERVICE_UNAVAILABLE; nothing stays open', async () => {
    const { apiKey } = await createTestAccount(app, { username: 'auditor', scopes: ['audit:read'] });
    await signIn(apiKey!);
    await explorer.openTab('GroupEvents');
    await explorer.run();
    const forbidden = await explorer.waitForResponse('"requiredScope": "groups:read"');
    expect(forbidden).toContain('"code": "FORBIDDEN"');
    expect(forbidden).not.toContain('Run it again');
    await runButton(explorer).waitFor();

    await signIn();
    await fill();
    await explorer.openTab('GroupEvents');
    await explorer.run();
    expect(await explorer.waitForResponse('MAX_SUBSCRIPTIONS')).toContain('"code": "SERVICE_UNAVAILABLE"');
    await runButton(explorer).waitFor();
  });

  test('a key that stopped working signs the user out, with a message', async () => {
    const { apiKey, byKey } = await createTestAccount(app, { username: 'leaver' });
    await signIn(apiKey!);
    await app.sql("DELETE FROM accounts WHERE username = 'leaver'");
    // The server caches an account for one second.
    await waitUntil(async () => (await fetch(`${app.httpUrl}/whoami`, { headers: byKey })).status === 401);
    await explorer.openTab('GroupEvents');
    await explorer.run();
    expect(await explorer.readProblem()).toContain('Invalid API key');
    await explorer.page.getByLabel('API key').waitFor();
  });

  test('a lost connection is shown with the last event and its id, after which it continues', async () => {
    const forwarder = await openForwarder(Number(new URL(app.httpUrl).port));
    const remote = await openPage({}, `http://127.0.0.1:${forwarder.port}`);
    await remote.open(`#key=${testKey}`);
    await remote.readAccount();
    await listen(remote);
    await waitForEdit(remote);
    await forwarder.stop();
    const lost = await remote.waitForResponse('The connection to the server was lost. Run it again');
    expect(lost).toContain('"type": "group.edited"');
    const [, after] = /variable after set to (\S+):/.exec(lost)!;
    expect(lost).toContain(`"id": "${after}"`);
    await runButton(remote).waitFor();

    await app.post('/deleteGroup', { id: 1 });
    await forwarder.start();
    await remote.writeVariables({ types: ['GROUP_DELETED'], after });
    await remote.run();
    await remote.waitForResponse('"type": "group.deleted"');
    await app.post('/restoreGroup', { id: 1 });
    await remote.close();
    await forwarder.close();
  });

  test('a server that stops is shown with what to do', async () => {
    const brief = await openTestApp({ SAMPLE_DATA: true });
    const looked = await openPage({}, brief.httpUrl);
    await looked.open(`#key=${testKey}`);
    await looked.readAccount();
    await listen(looked);
    await brief.close();
    await looked.waitForResponse('The server has ended the subscription, because it stops. Run it again.');
    await runButton(looked).waitFor();
    await looked.run();
    await looked.waitForResponse('The server does not respond. Check that it is running (npm start)');
    expect(looked.foreignRequests).toStrictEqual([]);
    await looked.close();
  });
});
