import { expect, test } from '@jest/globals';
import type { EventFeed, FeedPage } from '../../src/events/event-feed.ts';
import type { EventFilter } from '../../src/events/event-filter.ts';
import { eventTypeNames } from '../../src/events/event-types.ts';
import { createFeedPoller } from '../../src/events/feed-poller.ts';
import type { EventPosition } from '../../src/events/event-position.ts';
import type { Event } from '../../src/events/event.ts';
import { createLogger } from '../../src/process/logger.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { useEventFeed } from '../support/event-feed.ts';
import { waitUntil } from '../support/wait-until.ts';

const { app, feed } = useEventFeed();

const all: EventFilter = { types: new Set(eventTypeNames), groupIds: undefined };

/** Reads all events after a position. */
async function readAll(position: EventPosition): Promise<{ events: Event[]; position: EventPosition }> {
  const events: Event[] = [];
  for (;;) {
    const page = await feed.read(position);
    events.push(...page.events);
    position = page.position;
    if (!page.hasMore) return { events, position };
  }
}

test('executed calls are events in the order of their commits; rejected calls, dry runs and replays are none', async () => {
  const start = await feed.findEnd();
  const id = await app.createGroup({ name: 'First' });
  await app.post('/editGroup', { id, group: { price: '12.5' } });
  await app.post('/deleteGroup', { id: 999_999 });
  await app.post('/deleteGroup', { id, dryRun: true });
  const key = { 'Idempotency-Key': 'feed' };
  await app.post('/deleteGroup', { id, reason: 'replaced' }, key);
  await app.post('/deleteGroup', { id, reason: 'replaced' }, key);

  const { events } = await readAll(start);
  expect(events.map(({ type, groupIds }) => [type, groupIds])).toStrictEqual([
    ['group.created', [id]],
    ['group.edited', [id]],
    ['group.deleted', [id]],
  ]);
  const [created, edited, deleted] = events;
  const group = { id, name: 'First', price: '9.90', version: 1 };
  expect(created).toMatchObject({ data: { id: created!.id, account: 'admin', group } });
  expect(edited!.data).toMatchObject({ before: group, group: { id, price: '12.50', version: 2 } });
  expect(deleted!.data).toMatchObject({ reason: 'replaced', subscribersMoved: 0, movedTo: null });
  const { body } = await app.post('/auditEvents', { filter: { targetId: String(id), outcome: 'done' } });
  expect(created!.id).toMatch(new RegExp(`^${body.data.auditEvents.nodes.at(-1).id}-0-`));
});

test('deleteGroups has one event for each group, and can be continued after each of them', async () => {
  const ids = [await app.createGroup(), await app.createGroup(), await app.createGroup()];
  const start = await feed.findEnd();
  await app.post('/deleteGroups', { ids });
  const { events, position } = await readAll(start);
  expect(events.map(({ groupIds: [id] }) => id)).toStrictEqual(ids);
  for (const [index, event] of events.entries())
    expect((await readAll(await feed.find(event.id))).events).toStrictEqual(events.slice(index + 1));
  expect((await readAll(position)).events).toStrictEqual([]);
});

const insert = `INSERT INTO audit_events (account, credential, address, request_id, operation, target_ids, outcome, after)
  SELECT $1::text, 'api-key', '127.0.0.1', 'r', 'createGroup', ARRAY[n::text], 'done', jsonb_build_object('id', n)
  FROM generate_series(1, $2::int) n`;

test('an event that is committed late is not lost: later events wait for it, and come after it', async () => {
  const start = await feed.findEnd();
  const late = await openSecondConnection(app);
  await late.query('BEGIN');
  await late.query(insert, ['late', 1]);
  const id = await app.createGroup();
  expect(await feed.read(start)).toStrictEqual({
    events: [],
    position: start,
    hasMore: false,
    isWaiting: true,
    isLost: false,
    missed: undefined,
  });
  // A listener that starts now receives it, too.
  const end = await feed.findEnd();
  await late.query('COMMIT');
  await late.close();
  const { events, position } = await readAll(start);
  expect(events.map(({ data, groupIds }) => [data.account, groupIds])).toStrictEqual([
    ['late', [1]],
    ['admin', [id]],
  ]);
  expect((await readAll(end)).events).toStrictEqual(events);
  expect((await readAll(position)).events).toStrictEqual([]);
});

test('the id of an event that was rolled back does not block later ones', async () => {
  const start = await feed.findEnd();
  const failed = await openSecondConnection(app);
  await failed.query('BEGIN');
  await failed.query(insert, ['failed', 3]);
  await failed.query('ROLLBACK');
  await failed.close();
  const id = await app.createGroup();
  expect((await readAll(start)).events.map(({ groupIds }) => groupIds)).toStrictEqual([[id]]);
});

test('the events of a group are in the order of their commits, although a later transaction began first', async () => {
  const ids = [await app.createGroup(), await app.createGroup()];
  const start = await feed.findEnd();
  const editing = await openSecondConnection(app);
  await editing.lockGroup(ids[1]!);
  // Locks the first group, and waits for the second.
  const deleting = app.post('/deleteGroups', { ids });
  await editing.waitForBlocked();
  await editing.query(insert, ['editing', 1]);
  await editing.query('COMMIT');
  await editing.close();
  expect((await deleting).status).toBe(200);
  expect((await readAll(start)).events.map(({ type }) => type)).toStrictEqual([
    'group.created',
    'group.deleted',
    'group.deleted',
  ]);
});

test('pages of many events are complete, without repetition', async () => {
  const start = await feed.findEnd();
  await app.sql(insert, ['many', 1001]);
  const { events } = await readAll(start);
  const ids = Array.from({ length: 1001 }, (_, index) => index + 1);
  expect(events.map(({ groupIds: [id] }) => id)).toStrictEqual(ids);
});

test('find rejects a malformed id, an unknown one, one of another time, and one that is older than the feed', async () => {
  await expect(feed.find('soon')).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  const start = await feed.findEnd();
  await app.createGroup();
  const [event] = (await readAll(start)).events;
  const [auditId, index, atMs] = event!.id.split('-').map(Number);
  const others = [`999999999-0-${atMs}`, `${auditId}-1-${atMs}`, `${auditId}-${index}-${atMs! + 1}`];
  for (const id of others) await expect(feed.find(id)).rejects.toThrow('is not in this database');
  const old = `${auditId}-0-${Date.now() - 8 * 24 * 60 * 60 * 1000}`;
  await expect(feed.find(old)).rejects.toThrow('is older than 7 days');
});

test('a position is lost if the database has lost its audit event, whose id another one has now', async () => {
  await app.createGroup();
  const position = await feed.findEnd();
  expect(await feed.read(position)).toMatchObject({ isLost: false });
  // As after a failover to a standby that lags.
  await app.sql(`BEGIN; SET LOCAL session_replication_role = replica;
    UPDATE audit_events SET at = at + interval '1 second' WHERE id = ${position.auditId}; COMMIT`);
  expect(await feed.read(position)).toMatchObject({ isLost: true, events: [] });
});

test('a position is lost once a database that has replaced the one of the position has an audit event', async () => {
  await app.createGroup();
  const position = await feed.findEnd();
  await app.sql(`BEGIN; SET LOCAL session_replication_role = replica; DELETE FROM audit_events; COMMIT`);
  await app.sql(`SELECT setval(pg_get_serial_sequence('audit_events', 'id'), 1, false)`);
  expect(await feed.read(position)).toMatchObject({ isLost: false, events: [] });
  await app.sql(insert, ['first', 1]);
  expect(await feed.read(position)).toMatchObject({ isLost: true, events: [] });
});

test('one read of the poller serves all listeners, and without listeners it reads nothing', async () => {
  let commit = (_operation: string) => {};
  const pages: FeedPage[] = [];
  const read: EventFeed['read'] = async (...args) => {
    pages.push(await feed.read(...args));
    return pages.at(-1)!;
  };
  const removed: string[] = [];
  const onCommit = (listener: typeof commit) => {
    commit = listener;
    return () => void removed.push('commit');
  };
  const poller = createFeedPoller({ ...feed, read }, onCommit, await createLogger('silent', false));
  const notified: string[][] = [[], [], []];
  const listening = await Promise.all(
    notified.map((calls) =>
      poller.listen({ filter: all, onPage: () => calls.push('page'), onLost: () => calls.push('lost') }),
    ),
  );
  const start = listening[0]!.position;
  expect(listening.map(({ position }) => position)).toStrictEqual([start, start, start]);
  const id = await app.createGroup();
  commit('createGroup');
  await waitUntil(() => notified.every((calls) => calls.length > 0));
  expect(notified).toStrictEqual([['page'], ['page'], ['page']]);
  const page = poller.findPage(start, all.types)!;
  expect(page.events.map(({ type, groupIds }) => [type, groupIds])).toStrictEqual([['group.created', [id]]]);
  // The event was read once, and the same page is there for each listener.
  expect(pages.filter(({ events }) => events.length > 0)).toStrictEqual([page]);
  for (const { stop } of listening) stop();
  expect(removed).toStrictEqual(['commit']);
  expect([poller.position, poller.findPage(start, all.types)]).toStrictEqual([undefined, undefined]);
});

test('the poller stores its last ten pages only', async () => {
  const poller = createFeedPoller(feed, () => () => undefined, await createLogger('silent', false));
  const { position: start, stop } = await poller.listen({
    filter: all,
    onPage: () => undefined,
    onLost: () => undefined,
  });
  const ends = [start];
  while (ends.length <= 11) {
    await app.createGroup();
    const end = ends.at(-1)!;
    await waitUntil(() => poller.position!.auditId > end.auditId);
    ends.push(poller.position!);
  }
  expect(poller.findPage(start, all.types)).toBeUndefined();
  expect(poller.findPage(ends[1]!, all.types)?.position).toStrictEqual(ends[2]);
  expect(poller.findPage(ends[11]!, all.types)).toBeUndefined();
  stop();
});
