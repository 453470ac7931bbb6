import { expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { useTestApp } from '../support/test-app.ts';
import { openReceiver } from '../support/webhook-receiver.ts';
import { waitUntil } from '../support/wait-until.ts';

const app = useTestApp({ WEBHOOK_ALLOW_HTTP: true, WEBHOOK_ALLOWED_NETWORKS: ['127.0.0.0/8'] });
const { run, environment } = createCommandLine(() => app);
Object.assign(environment, { WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' });

test('the response of a receiver that repeats a username which was erased meanwhile is not stored; that of another event is', async () => {
  const receiver = await openReceiver();
  receiver.reply = () => 'hang';
  const create = ['webhooks', 'create', receiver.url, '--type', 'subscriber.added'];
  expect(await run(...create)).toMatchObject({ code: 0 });
  const groupId = await app.createGroup();
  await app.post('/subscribe', { username: 'mina', groupId });
  await waitUntil(() => receiver.received.length === 1);
  await app.post('/removeUserSubscription', { username: 'mina', groupId });
  expect(await run('subscribers', 'erase', 'mina', '--yes')).toMatchObject({ code: 0 });
  receiver.release('welcome, mina');
  await app.post('/subscribe', { username: 'ali', groupId });
  await waitUntil(() => receiver.release('welcome, ali'));
  const deliveries = () =>
    app.sql(
      `SELECT status, response_body AS body, data->>'username' AS username FROM webhook_deliveries ORDER BY id`,
    );
  await waitUntil(async () => (await deliveries()).every(({ status }) => status === 'delivered'));
  expect(await deliveries()).toStrictEqual([
    { status: 'delivered', body: null, username: expect.stringMatching(/^erased-[0-9a-f]{24}$/) },
    { status: 'delivered', body: 'welcome, ali', username: 'ali' },
  ]);
  await receiver.close();
});
