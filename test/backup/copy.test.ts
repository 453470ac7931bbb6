import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { bin, createCommandLine } from '../support/command-line.ts';
import { createShell, readBlocks } from '../support/documented-commands.ts';
import { createAccountingDatabase, openNas, openSession } from '../support/nas.ts';
import { openTestApp } from '../support/test-app.ts';
import type { TestDatabase } from '../support/test-database.ts';
import { useTestFolder } from '../support/test-folder.ts';
import { waitUntil } from '../support/wait-until.ts';
import { openReceiver } from '../support/webhook-receiver.ts';

// docs/operations.md, "A server on a copy": its commands, on a database whose server has stopped.

const folder = useTestFolder();
const nas = await openNas();
const [original, another] = await Promise.all([openReceiver(), openReceiver()]);
let database: TestDatabase;
beforeAll(async () => {
  database = await createAccountingDatabase([nas]);
});
afterAll(async () => {
  await database.drop();
  await Promise.all([original.close(), another.close(), nas.close()]);
});

const { run, environment } = createCommandLine(() => database);
Object.assign(environment, { WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' });
const runWebhooks = async (...args: string[]) =>
  expect(await run('webhooks', ...args)).toMatchObject({ code: 0, stderr: '' });
const open = (settings: object) =>
  openTestApp(
    {
      WEBHOOK_ALLOW_HTTP: true,
      WEBHOOK_ALLOWED_NETWORKS: ['127.0.0.0/8'],
      RADIUS: true,
      RADIUS_COA_PORT: nas.port,
      ...settings,
    },
    { ...database, drop: async () => {} },
  );
const makeDue = () =>
  database.sql(
    `UPDATE webhook_deliveries SET next_attempt_at = now() WHERE status = 'pending';
     UPDATE radius_deliveries SET next_attempt_at = now() WHERE status = 'pending'`,
  );
const countPending = async () => {
  const [row] = await database.sql<{ webhooks: number; radius: number }>(
    `SELECT (SELECT count(*)::int FROM webhook_deliveries WHERE status = 'pending') AS webhooks,
       (SELECT count(*)::int FROM radius_deliveries WHERE status = 'pending') AS radius`,
  );
  return row;
};

test('after the documented commands, a server on a copy sends nothing that was pending; without them it sends everything', async () => {
  original.reply = () => ({ status: 500 });
  nas.respond = () => [];
  await runWebhooks('create', original.url, '--type', 'subscriber.removed');
  const first = await open({ RADIUS_TIMEOUT_MS: 50 });
  const groupId = await first.createGroup();
  await first.post('/subscribe', { username: 'ali', groupId });
  await first.post('/subscribe', { username: 'sara', groupId });
  await openSession(database, 'ali');
  expect((await first.post('/removeUserSubscription', { username: 'ali' })).status).toBe(200);
  await waitUntil(() => original.received.length > 0 && nas.requests.length > 0);
  await first.close();
  expect(await countPending()).toStrictEqual({ webhooks: 1, radius: 1 });

  original.received.length = nas.requests.length = 0;
  const [commands] = await readBlocks('docs/operations.md', 'A server on a copy');
  const shell = await createShell({
    folder,
    runAs: undefined,
    env: { DATABASE_URL: database.url },
    programs: { npx: `shift 2; exec ${process.execPath} ${bin} "$@"` },
  });
  await shell(commands!.text);
  expect(await readFile(join(folder, '.env'), 'utf8')).toBe('RADIUS_DISCONNECT=false\n');
  await makeDue();
  await runWebhooks('create', another.url, '--type', 'subscriber.removed');
  const copy = await open({ RADIUS_DISCONNECT: false });
  await copy.post('/removeUserSubscription', { username: 'sara' });
  // The server has read the events and sends deliveries: another webhook, which is enabled, gets its own.
  await waitUntil(() => another.received.length === 1);
  await copy.close();
  expect([original.received, nas.requests]).toStrictEqual([[], []]);
  expect(await countPending()).toStrictEqual({ webhooks: 1, radius: 1 });

  original.reply = () => ({ status: 204 });
  await runWebhooks('enable', '1');
  await makeDue();
  const sending = await open({});
  await waitUntil(() => original.received.length === 2 && nas.requests.length > 0);
  await sending.close();
}, 120_000);
