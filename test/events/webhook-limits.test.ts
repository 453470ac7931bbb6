import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { useTestApp } from '../support/test-app.ts';
import { openReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts';
import { waitUntil } from '../support/wait-until.ts';

const app = useTestApp({ WEBHOOK_ALLOW_HTTP: true, WEBHOOK_ALLOWED_NETWORKS: ['127.0.0.0/8'] });
const { run, environment } = createCommandLine(() => app);
Object.assign(environment, { WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' });

let receiver: WebhookReceiver;
beforeAll(async () => {
  receiver = await openReceiver();
});
afterEach(() => app.sql('DELETE FROM webhook_endpoints'));
afterAll(() => receiver.close());

const create = async (url: string) =>
  expect(await run('webhooks', 'create', url, '--type', 'group.created')).toMatchObject({ code: 0 });

test('a server makes 16 attempts at a time at all webhooks, and 2 at each; every event is delivered once', async () => {
  receiver.reply = () => 'hang';
  const endpoints = 12;
  for (let index = 0; index < endpoints; index++) await create(`${receiver.url}/${index}`);
  const events = 3;
  for (let index = 0; index < events; index++) await app.createGroup();
  await waitUntil(() => receiver.received.length >= 16);

  const most = new Map<string, number>();
  for (const { path } of receiver.received.slice(0, 16)) most.set(path, (most.get(path) ?? 0) + 1);
  expect(Math.max(...most.values())).toBeLessThanOrEqual(2);
  // Each response frees a slot, which another attempt gets: more than 16 would be open if there were more slots.
  await waitUntil(() => {
    receiver.release();
    return receiver.received.length >= endpoints * events;
  });
  while (receiver.release());
  expect(receiver.maxConcurrent()).toBe(16);
  await waitUntil(
    async () => (await app.sql(`SELECT FROM webhook_deliveries WHERE status <> 'delivered'`)).length === 0,
  );
  expect(new Set(receiver.received.map(({ path, headers }) => `${path} ${headers['webhook-id']}`)).size).toBe(
    endpoints * events,
  );
  expect(receiver.received).toHaveLength(endpoints * events);
});

test('the results of attempts that the database rejects are stored later, and their events are not sent again', async () => {
  receiver.received.length = 0;
  receiver.reply = () => ({ status: 204 });
  await create(receiver.url);
  await app.sql(`
    CREATE SEQUENCE rejected;
    CREATE FUNCTION reject_results() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM nextval('rejected');
      RAISE EXCEPTION 'no results now';
    END $$;
    CREATE TRIGGER reject_results BEFORE UPDATE ON webhook_deliveries FOR EACH ROW
      WHEN (NEW.status = 'delivered') EXECUTE FUNCTION reject_results()`);
  try {
    for (let index = 0; index < 3; index++) await app.createGroup();
    // The others may wait until the results of the first are stored.
    await waitUntil(() => receiver.received.length >= 1);
    const rejected = async () =>
      (await app.sql<{ count: number }>(`SELECT last_value::int AS count FROM rejected`))[0]!.count;
    await waitUntil(async () => (await rejected()) >= 2);
  } finally {
    await app.sql('DROP FUNCTION reject_results CASCADE; DROP SEQUENCE rejected');
  }
  const states = () => app.sql('SELECT status, attempts FROM webhook_deliveries ORDER BY id');
  await waitUntil(() => receiver.received.length >= 3);
  await waitUntil(async () => (await states()).every(({ status }) => status === 'delivered'));
  expect(await states()).toStrictEqual([1, 2, 3].map(() => ({ status: 'delivered', attempts: 1 })));
  expect(receiver.received).toHaveLength(3);
});
