import { afterAll, afterEach, beforeAll, beforeEach, expect } from '@jest/globals';
import { createCommandLine } from './command-line.ts';
import { useTestApp, type Json } from './test-app.ts';
import { openReceiver, type WebhookReceiver } from './webhook-receiver.ts';
import { waitUntil } from './wait-until.ts';

/** Opens a server and a receiver of webhooks for the tests of a file. After each test there is no webhook. */
export function useWebhooks() {
  const app = useTestApp({ WEBHOOK_ALLOW_HTTP: true, WEBHOOK_ALLOWED_NETWORKS: ['127.0.0.0/8'] });
  const { run, environment } = createCommandLine(() => app);
  Object.assign(environment, { WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' });

  const receiver = {} as WebhookReceiver;
  beforeAll(async () => {
    const opened = await openReceiver();
    Object.assign(receiver, opened);
    opened.reply = (request) => receiver.reply(request);
  });
  beforeEach(() => {
    receiver.received.length = 0;
    receiver.reply = () => ({ status: 204 });
  });
  afterAll(() => receiver.close());

  /** A webhook that gets no event: a server without any looks for a new one every two seconds only. */
  let idleId: number;
  beforeAll(async () => {
    ({ id: idleId } = await runJson('create', receiver.url, '--type', 'groups.imported'));
  });
  afterEach(() => app.sql('DELETE FROM webhook_endpoints WHERE id <> $1', [idleId]));

  const runJson = async (...args: string[]): Promise<Json> => {
    const { code, stdout, stderr } = await run('webhooks', ...args, '--json');
    expect([code, stderr]).toStrictEqual([0, '']);
    return JSON.parse(stdout);
  };
  return {
    app,
    receiver,
    run,
    runJson,
    /** The list of the webhooks that the test has created. */
    list: async (): Promise<Json[]> => (await runJson('list')).filter(({ id }: Json) => id !== idleId),
    create: (...args: string[]): Promise<Json> => runJson('create', receiver.url, ...args),
    deliveries: async (...args: string[]): Promise<Json> => (await runJson('deliveries', ...args)).deliveries,
    receives: (count: number) => waitUntil(() => receiver.received.length >= count),
    /** Waits until the results of all attempts are stored, and no delivery is due but those that wait for an earlier one. */
    isQuiet: () =>
      waitUntil(async () => {
        const [row] = await app.sql<{ count: number }>(
          `SELECT count(*)::int AS count FROM webhook_deliveries d
           WHERE is_claimed OR status = 'pending' AND next_attempt_at <= now() AND NOT EXISTS (
             SELECT FROM webhook_deliveries WHERE order_key = d.order_key AND id < d.id AND status = 'pending')`,
        );
        return row!.count === 0;
      }),
  };
}
