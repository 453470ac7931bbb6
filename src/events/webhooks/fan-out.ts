import type { PrismaClient } from '../../generated/prisma/client.ts';
import type { Logger } from '../../log.ts';
import { eventsRead } from '../../measurements/channels.ts';
import type { EventFeed } from '../event-feed.ts';
import type { EventPosition } from '../event-position.ts';
import type { Event } from '../event.ts';
import { fanOut, type MovedEndpoint, type NewDelivery } from './delivery-statements.ts';
import { selectOverfullEndpoints, type ActiveEndpoint } from './endpoint-statements.ts';
import { formatFeedCursor, parseFeedCursor } from '../feed-cursor.ts';

/** Turns the events of the feed into deliveries. */
type FanOut = {
  /**
   * Reads a page of events after the cursor of each endpoint, and inserts its deliveries. An endpoint with too many
   * pending deliveries waits.
   */
  run(endpoints: readonly ActiveEndpoint[]): Promise<Advance>;
};

type Advance = {
  /** The endpoints with new deliveries. */
  readonly insertedIds: readonly number[];
  readonly eventCount: number;
  /** Whether more events can be read now. */
  readonly hasMore: boolean;
  /** Whether events wait for a transaction that is still running. */
  readonly isWaiting: boolean;
};

const missedEventsText =
  'webhooks do not receive the events between these times, which are older than the feed or were dropped with their ' +
  'month (AUDIT_RETENTION_DAYS): their receivers must read the groups again';

/** All pending deliveries of an endpoint are counted this often. */
const countMs = 5000;

/**
 * Creates the fan-out. Endpoints at the same cursor, which is the rule, share one read of the feed. Logs a warning for
 * those whose next events cannot be read any more.
 */
export function createFanOut(prisma: PrismaClient, feed: EventFeed, log: Logger): FanOut {
  /** The position up to which the feed had no events after a cursor: read again from there, without a write. */
  let read = new Map<string, EventPosition>();

  const advance = async (cursor: string, endpointIds: readonly number[]): Promise<Advance> => {
    const after = read.get(cursor) ?? parseFeedCursor(cursor);
    const page = await feed.read(after);
    // After a failover to a standby that has lost the last transactions, the stored cursor is still right.
    if (page.isLost && read.delete(cursor))
      return { insertedIds: [], eventCount: 0, hasMore: true, isWaiting: false };
    const { hasMore, isWaiting } = page;
    if (page.events.length === 0 && !hasMore && page.missed === undefined) {
      read.set(cursor, page.position);
      return { insertedIds: [], eventCount: 0, hasMore, isWaiting };
    }
    const deliveries = page.events.map(toDelivery);
    const moved = await prisma.$queryRaw<MovedEndpoint[]>(
      fanOut(endpointIds, cursor, formatFeedCursor(page.position), deliveries),
    );
    const [oldest] = page.events;
    if (oldest && moved.length > 0 && eventsRead.hasSubscribers) {
      const lagMs = Date.now() - Date.parse(oldest.timestamp);
      eventsRead.publish({ reader: 'webhooks', count: page.events.length, lagMs });
    }
    if (page.missed && moved.length > 0)
      log.warn({ webhooks: moved.map(({ id }) => id), ...page.missed }, missedEventsText);
    const insertedIds = moved.filter(({ hasDeliveries }) => hasDeliveries).map(({ id }) => id);
    // None has moved if another server does it, or while a username is being erased.
    return {
      insertedIds,
      eventCount: deliveries.length,
      hasMore: hasMore && moved.length > 0,
      isWaiting,
    };
  };

  let overfull = new Set<number>();
  let countedAt = -Infinity;
  const countPending = async () => {
    if (performance.now() - countedAt < countMs) return;
    const rows = await prisma.$queryRaw<{ id: number }[]>(selectOverfullEndpoints);
    overfull = new Set(rows.map(({ id }) => id));
    countedAt = performance.now();
  };

  return {
    async run(endpoints) {
      await countPending();
      const idsByCursor = new Map<string, number[]>();
      for (const { id, cursor, isFull } of endpoints)
        if (!isFull && !overfull.has(id)) idsByCursor.set(cursor, [...(idsByCursor.get(cursor) ?? []), id]);
      read = new Map([...read].filter(([cursor]) => idsByCursor.has(cursor)));
      const results: Advance[] = [];
      for (const [cursor, ids] of idsByCursor) results.push(await advance(cursor, ids));
      return {
        insertedIds: results.flatMap(({ insertedIds }) => insertedIds),
        eventCount: Math.max(0, ...results.map(({ eventCount }) => eventCount)),
        hasMore: results.some(({ hasMore }) => hasMore),
        isWaiting: results.some(({ isWaiting }) => isWaiting),
      };
    },
  };
}

function toDelivery(event: Event): NewDelivery {
  const { id, type, timestamp, data } = event;
  return { eventId: id, eventType: type, eventAt: timestamp, orderKey: orderKeyOf(event), data };
}

/** Events with the same key are delivered in their order: those of a group, of a service group, of a number group. */
function orderKeyOf({ type, data, groupIds }: Event): string {
  const [subject] = type.split('.');
  if (groupIds[0] !== undefined) return `group:${groupIds[0]}`;
  const row = data['serviceGroup'] ?? data['numberGroup'];
  return row === undefined ? type : `${subject}:${String((row as { id: unknown }).id)}`;
}
