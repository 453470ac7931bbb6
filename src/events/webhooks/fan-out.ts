import type { PrismaClient } from '../../generated/prisma/client.ts';
import type { EventFeed } from '../event-feed.ts';
import type { EventPosition } from '../event-position.ts';
import type { Event } from '../event-types.ts';
import { fanOut, type ActiveEndpoint, type NewDelivery } from './delivery-statements.ts';
import { formatFeedCursor, parseFeedCursor } from './feed-cursor.ts';

/** Turns the events of the feed into deliveries. */
type FanOut = {
  /**
   * Reads a page of events after the cursor of each endpoint, and inserts its deliveries. An endpoint with too many
   * pending deliveries waits.
   */
  run(endpoints: readonly ActiveEndpoint[]): Promise<Advance>;
};

type Advance = {
  readonly hasInserted: boolean;
  /** Whether more events can be read now. */
  readonly hasMore: boolean;
  /** Whether events wait for a transaction that is still running. */
  readonly isWaiting: boolean;
};

/** Creates the fan-out. Endpoints at the same cursor, which is the rule, share one read of the feed. */
export function createFanOut(prisma: PrismaClient, feed: EventFeed): FanOut {
  /** The position up to which the feed had no events after a cursor: read again from there, without a write. */
  let read = new Map<string, EventPosition>();

  const advance = async (cursor: string, endpointIds: readonly number[]): Promise<Advance> => {
    const after = read.get(cursor) ?? parseFeedCursor(cursor);
    const page = await feed.read(after);
    // After a failover to a standby that has lost the last transactions, the stored cursor is still right.
    if (page.isLost && read.delete(cursor)) return { hasInserted: false, hasMore: true, isWaiting: false };
    const { hasMore, isWaiting } = page;
    if (page.events.length === 0 && !hasMore) {
      read.set(cursor, page.position);
      return { hasInserted: false, hasMore, isWaiting };
    }
    const deliveries = page.events.map(toDelivery);
    const inserted = await prisma.$executeRaw(
      fanOut(endpointIds, cursor, formatFeedCursor(page.position), deliveries),
    );
    return { hasInserted: inserted > 0, hasMore, isWaiting };
  };

  return {
    async run(endpoints) {
      const idsByCursor = new Map<string, number[]>();
      for (const { id, cursor, isFull } of endpoints)
        if (!isFull) idsByCursor.set(cursor, [...(idsByCursor.get(cursor) ?? []), id]);
      read = new Map([...read].filter(([cursor]) => idsByCursor.has(cursor)));
      const results: Advance[] = [];
      for (const [cursor, ids] of idsByCursor) results.push(await advance(cursor, ids));
      return {
        hasInserted: results.some(({ hasInserted }) => hasInserted),
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
