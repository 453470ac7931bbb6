import { afterAll, expect, test } from '@jest/globals';
import type { EventFeed } from '../../src/events/event-feed.ts';
import type { EventFilter } from '../../src/events/event-filter.ts';
import { streamEvents } from '../../src/events/event-stream.ts';
import { eventTypeNames } from '../../src/events/event-types.ts';
import type { Event } from '../../src/events/event.ts';
import { createFeedPoller, type FeedPoller } from '../../src/events/feed-poller.ts';
import { createLogger } from '../../src/process/logger.ts';
import { useEventFeed } from '../support/event-feed.ts';
import { subscribe, type Subscription } from '../support/subscription.ts';
import { waitUntil } from '../support/wait-until.ts';

// Subscriptions to other events than those that are committed.

const pollers: FeedPoller[] = [];
const opened: Subscription[] = [];
// Before the connections and the server that they use.
afterAll(() => {
  for (const subscription of opened) subscription.close();
  for (const poller of pollers) poller.close();
});
const { app, feed } = useEventFeed();

const openPoller = async (changes: Partial<EventFeed> = {}): Promise<FeedPoller> => {
  const log = await createLogger('silent', false);
  pollers.push(createFeedPoller({ ...feed, ...changes }, () => () => undefined, log));
  return pollers.at(-1)!;
};

const allTypes: EventFilter['types'] = new Set(eventTypeNames);

/** Starts a stream, and collects its pages after the first one. */
async function watch(
  poller: FeedPoller,
  filter: Partial<EventFilter>,
  readFeed: EventFeed['read'] = async (...args) => feed.read(...args),
) {
  const ending = new AbortController();
  const pages: (readonly Event[])[] = [];
  let wakeUp = () => {};
  const stream = streamEvents({
    poller,
    readFeed,
    after: undefined,
    filter: { types: allTypes, groupIds: undefined, ...filter },
    signal: ending.signal,
    onIdle: (wake) => (wakeUp = wake),
  });
  await stream.next();
  const reading = (async () => {
    for await (const page of stream) pages.push(page);
  })();
  const stop = () => {
    ending.abort();
    return reading;
  };
  return { pages, events: () => pages.flat(), wakeUp, stop };
}

const open = async (args: string): Promise<Subscription> => {
  opened.push(await subscribe(app.httpUrl, `subscription { groupEvents${args} { id type data } }`));
  return opened.at(-1)!;
};

/** Writes events of groups that do not exist. */
const addEvents = (count: number, groupId = 1_000_000) =>
  app.sql(
    `INSERT INTO audit_events (account, credential, address, request_id, operation, target_ids, outcome, after)
     SELECT 'many', 'api-key', '127.0.0.1', 'r', 'createGroup', ARRAY[n::text], 'done', jsonb_build_object('id', $2::int + n)
     FROM generate_series(1, $1::int) n`,
    [count, groupId],
  );
const idsOf = (events: readonly { readonly id: string }[]) => events.map(({ id }) => id);

test('subscriptions receive their event after thousands of others, and continue after it; others in between are omitted', async () => {
  const [id, other] = [await app.createGroup(), await app.createGroup()];
  const all = await open('');
  const byType = await open('(types: [GROUP_DELETED])');
  const byGroup = await open(`(groupIds: [${id}])`);
  // Pages have events of this type, and of this group, but no event of both until the delete.
  const byBoth = await open(`(types: [GROUP_DELETED], groupIds: [${id}])`);
  for (let count = 1; count <= 12; count++) {
    await addEvents(250);
    await all.receive(count * 250);
  }
  await app.post('/editGroup', { id, group: { price: '1' } });
  await app.post('/deleteGroup', { id: other });
  await app.post('/deleteGroup', { id });
  const events = await all.receive(3003);
  const [edited, otherDeleted, deleted] = idsOf(events.slice(3000));
  expect(idsOf(await byBoth.receive(1))).toStrictEqual([deleted]);
  expect(idsOf(await byType.receive(2))).toStrictEqual([otherDeleted, deleted]);
  expect(idsOf(await byGroup.receive(2))).toStrictEqual([edited, deleted]);
  byBoth.close();

  await addEvents(500);
  await app.post('/editGroup', { id: await app.createGroup(), group: { price: '2' } });
  const [last] = idsOf((await all.receive(3505)).slice(-1));
  const resumed = await open(`(after: "${deleted}", types: [GROUP_EDITED])`);
  expect(idsOf(await resumed.receive(1))).toStrictEqual([last]);
  const fromStart = await open(`(after: "${events[0].id}", types: [GROUP_EDITED, GROUP_DELETED])`);
  expect(idsOf(await fromStart.receive(4))).toStrictEqual([edited, otherDeleted, deleted, last]);
});

test('a page without events of its filter does not wake up a stream; the next event of it is read from the stored page', async () => {
  const poller = await openPoller();
  const isBehind = () => Promise.reject(new Error('The stream is behind'));
  const streams = [
    await watch(poller, {}, isBehind),
    await watch(poller, { types: new Set(['service_group.created']) }, isBehind),
    await watch(poller, { groupIds: new Set([2_000_001]) }, isBehind),
    await watch(
      poller,
      { types: new Set(['group.created']), groupIds: new Set([2_000_001, 2_000_002]) },
      isBehind,
    ),
  ];
  const [all, ...idle] = streams;
  // More pages than the poller stores.
  for (let count = 1; count <= 15; count++) {
    await addEvents(1);
    await waitUntil(() => all!.events().length === count);
  }
  expect(idle.map(({ pages }) => pages)).toStrictEqual([[], [], []]);
  // For a heartbeat: an empty page, and nothing is read again.
  for (const { wakeUp } of idle) wakeUp();
  await waitUntil(() => idle.every(({ pages }) => pages.length === 1));
  await addEvents(1, 2_000_000);
  await waitUntil(() => [all!, ...idle.slice(1)].every(({ events }) => events().length > 0));
  await waitUntil(() => all!.events().length === 16);
  const [event] = all!.events().slice(-1);
  expect(idle.map(({ events }) => events())).toStrictEqual([[], [event], [event]]);
  for (const { stop } of streams) await stop();
});

test('the poller reads events of the types that its listeners ask for; one that is added during a read loses none', async () => {
  const types: (EventFilter['types'] | undefined)[] = [];
  let release = () => {};
  let gate: Promise<void> | undefined;
  let blockedCount = 0;
  const poller = await openPoller({
    async read(position, wanted) {
      types.push(wanted);
      const page = await feed.read(position, wanted);
      if (gate && page.position !== position) {
        blockedCount++;
        await gate;
      }
      return page;
    },
  });
  const retired = await watch(poller, { types: new Set(['group.retired']) });
  gate = new Promise((resolve) => (release = resolve));
  await addEvents(3);
  await waitUntil(() => blockedCount === 1);
  const created = await watch(poller, { types: new Set(['group.created']) });
  const all = await watch(poller, {});
  release();
  await waitUntil(() => all.events().length === 3 && created.events().length === 3);
  expect(created.events()).toStrictEqual(all.events());
  expect([retired.pages, types.at(0)]).toStrictEqual([[], new Set(['group.retired'])]);
  await waitUntil(() => types.at(-1)!.size === allTypes.size);
  await all.stop();
  await waitUntil(() => types.at(-1)!.size === 2);
  await Promise.all([retired, created].map(({ stop }) => stop()));
});
