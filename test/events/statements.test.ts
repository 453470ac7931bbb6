import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openCountingProxy, type CountingProxy } from '../support/counting-proxy.ts';
import { subscribe } from '../support/subscription.ts';
import { openTestApp, type TestApp } from '../support/test-app.ts';
import { createTestDatabase } from '../support/test-database.ts';
import { waitUntil } from '../support/wait-until.ts';

let proxy: CountingProxy;
let app: TestApp;
beforeAll(async () => {
  const database = await createTestDatabase();
  proxy = await openCountingProxy(database.url);
  app = await openTestApp({ DATABASE_URL: proxy.url }, database);
});
afterAll(async () => {
  await app.close();
  await proxy.close();
});

/** How often the webhooks are looked for while none is enabled, and the feed is read while there are subscriptions. */
const [webhookPollMs, feedPollMs] = [2000, 250];
const isWebhookPoll = (text: string) => text.includes('FROM webhook_endpoints');
const isFeedRead = (text: string) => text.includes('FROM audit_events');

/** Deletes groups one after the other, then waits for a statement, and returns all statements and the time. */
async function deleteGroups(isLast: (text: string) => boolean) {
  const ids: number[] = [];
  while (ids.length < 40) ids.push(await app.createGroup());
  const [before, startedAt] = [proxy.count(), performance.now()];
  for (const id of ids) expect((await app.post('/deleteGroup', { id })).status).toBe(200);
  await waitUntil(() => proxy.texts().slice(before).some(isLast));
  const texts = proxy.texts().slice(before);
  expect(texts.filter((text) => text.includes('INSERT INTO deleted_groups'))).toHaveLength(ids.length);
  return { texts, elapsedMs: performance.now() - startedAt };
}

test('without webhooks and subscriptions, a delete is one statement, and nothing reads its event, then or later', async () => {
  const { texts, elapsedMs } = await deleteGroups(isWebhookPoll);
  expect(texts.filter(isFeedRead)).toStrictEqual([]);
  expect(texts.filter(isWebhookPoll).length).toBeLessThanOrEqual(1 + elapsedMs / webhookPollMs);
});

test('with subscriptions to other events only, deletes cause no read of the feed in addition to those by time', async () => {
  const query = 'subscription { groupEvents(types: [SERVICE_GROUP_CREATED]) { id } }';
  const subscription = await subscribe(app.httpUrl, query);
  const { texts, elapsedMs } = await deleteGroups(isFeedRead);
  subscription.close();
  expect(texts.filter(isFeedRead).length).toBeLessThanOrEqual(2 + elapsedMs / feedPollMs);
});
