import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { useTestApp, type Json } from '../support/test-app.ts';
import { openReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts';
import { waitUntil } from '../support/wait-until.ts';

const app = useTestApp({ WEBHOOK_ALLOW_HTTP: true, WEBHOOK_ALLOWED_NETWORKS: ['127.0.0.0/8'] });
const { run, environment } = createCommandLine(() => app);
Object.assign(environment, { WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' });

let receiver: WebhookReceiver;
beforeAll(async () => {
  receiver = await openReceiver();
});
afterAll(() => receiver.close());

type Delivery = { attempts: number; status: string; delay: number | null };
const readDelivery = async (): Promise<Delivery> => {
  const [row] = await app.sql<Delivery>(
    `SELECT attempts, status, extract(epoch FROM next_attempt_at - last_attempt_at)::float8 AS delay
     FROM webhook_deliveries WHERE NOT is_claimed`,
  );
  return row ?? { attempts: -1, status: '', delay: null };
};
const readWebhook = async (): Promise<Json> =>
  JSON.parse((await run('webhooks', 'list', '--json')).stdout)[0];

test('attempts follow the schedule of Standard Webhooks with up to 10 % jitter; after the tenth the webhook is failing, after five days of it disabled', async () => {
  receiver.reply = () => ({ status: 500 });
  await run('webhooks', 'create', receiver.url, '--type', 'group.created');
  await app.createGroup();
  const hours = 3600;
  const delays = [5, 300, 1800, 2 * hours, 5 * hours, 10 * hours, 14 * hours, 20 * hours, 24 * hours];
  // A machine that is slow enough may make the second attempt, after 5 seconds, before the first one is read here.
  for (let attempts = 0; attempts < delays.length;) {
    let delivery = await readDelivery();
    await waitUntil(async () => {
      delivery = await readDelivery();
      return delivery.attempts > attempts;
    });
    ({ attempts } = delivery);
    const delay = delays[attempts - 1]!;
    expect(delivery.status).toBe('pending');
    expect(delivery.delay).toBeGreaterThanOrEqual(delay - 0.1);
    expect(delivery.delay).toBeLessThanOrEqual(delay * 1.1 + 0.1);
    expect((await readWebhook()).state).toBe('unavailable');
    await app.sql(
      'UPDATE webhook_deliveries SET next_attempt_at = now() WHERE attempts = $1 AND NOT is_claimed',
      [attempts],
    );
  }
  await waitUntil(async () => (await readDelivery()).status === 'failed');
  expect(await readDelivery()).toStrictEqual({ attempts: 10, status: 'failed', delay: null });
  expect(receiver.received).toHaveLength(10);
  await waitUntil(async () => (await readWebhook()).state === 'failing');

  // The first failed attempt after five days disables it.
  await app.sql(`UPDATE webhook_endpoints SET failing_since = now() - interval '119 hours'`);
  await app.createGroup();
  await waitUntil(() => receiver.received.length >= 11);
  await waitUntil(
    async () => (await app.sql('SELECT FROM webhook_deliveries WHERE is_claimed')).length === 0,
  );
  expect((await readWebhook()).state).toBe('failing');
  await app.sql(`UPDATE webhook_endpoints SET failing_since = now() - interval '121 hours'`);
  await app.createGroup();
  await waitUntil(async () => (await readWebhook()).state === 'disabled');
  expect(await readWebhook()).toMatchObject({
    disabledReason: 'the endpoint has been failing for five days',
  });
});

test('once a webhook accepts an event after an outage, the retries are due at once that failed without a response or with 503, not one that was rejected with 500', async () => {
  await waitUntil(
    async () => (await app.sql('SELECT FROM webhook_deliveries WHERE is_claimed')).length === 0,
  );
  receiver.received.length = 0;
  const { id } = await readWebhook();
  await run('webhooks', 'enable', String(id));
  await waitUntil(() => receiver.received.length >= 2);
  // Those whose attempt is running are changed once its result is stored.
  await waitUntil(async () => {
    await app.sql(
      `UPDATE webhook_deliveries SET status = 'pending', finished_at = NULL, next_attempt_at = now() + interval '1 day',
         response_status = (ARRAY[500, 503, NULL])[(SELECT count(*) FROM webhook_deliveries AS earlier WHERE earlier.id <= d.id)]
       FROM webhook_deliveries AS d WHERE webhook_deliveries.id = d.id AND NOT webhook_deliveries.is_claimed`,
    );
    const waiting = `next_attempt_at > now() + interval '1 hour'`;
    return (await app.sql(`SELECT FROM webhook_deliveries WHERE ${waiting}`)).length === 3;
  });
  expect(await app.sql('SELECT response_status FROM webhook_deliveries ORDER BY id')).toStrictEqual([
    { response_status: 500 },
    { response_status: 503 },
    { response_status: null },
  ]);
  await app.sql(`UPDATE webhook_endpoints SET unavailable_since = now() - interval '2 hours'`);
  receiver.reply = () => ({ status: 200 });
  await app.createGroup();
  const readStatuses = async () => {
    const rows = await app.sql<{ status: string }>('SELECT status FROM webhook_deliveries ORDER BY id');
    return rows.map(({ status }) => status);
  };
  await waitUntil(async () => (await readStatuses()).slice(1).every((status) => status === 'delivered'));
  expect(await readStatuses()).toStrictEqual(['pending', 'delivered', 'delivered', 'delivered']);
  await waitUntil(async () => (await readWebhook()).state === 'enabled');
  expect(await readWebhook()).toMatchObject({ unavailableSince: null, failingSince: null });
});

test('a delivery whose server was killed is sent by another one once its lease has ended, not before', async () => {
  await app.sql(
    `UPDATE webhook_deliveries SET status = 'pending', finished_at = NULL, is_claimed = true, next_attempt_at = now() + interval '1 day'
     WHERE id = (SELECT min(id) FROM webhook_deliveries)`,
  );
  receiver.received.length = 0;
  await app.createGroup();
  await waitUntil(() => receiver.received.length === 1);
  await app.sql(
    `UPDATE webhook_deliveries SET next_attempt_at = now() WHERE id = (SELECT min(id) FROM webhook_deliveries)`,
  );
  await waitUntil(() => receiver.received.length === 2);
});
