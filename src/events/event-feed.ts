import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, badInput } from '../errors.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import { parseAuditEvent } from '../mutations/audit-events.ts';
import {
  feedDays,
  maxCount,
  readFirstGap,
  readNewest,
  readWriters,
  writeFeedStatement,
  writeFindStatement,
  writeIsMissed,
  type FeedRow,
} from './event-feed-statements.ts';
import { isAfter, parseEventId, type EventPosition } from './event-position.ts';
import type { EventType } from './event-types.ts';
import { eventOperations, eventsOf, operationsOf, type Event } from './event.ts';

/** How often a running transaction is looked for, and how long. */
const writerPollMs = 10;
const writerWaitMs = 1000;
const feedMs = feedDays * 24 * 60 * 60 * 1000;

/** The events after a position, in their order. */
export type FeedPage = {
  readonly events: readonly Event[];
  /** Where the next page starts: after the events of this page, and after all audit events that are no events. */
  readonly position: EventPosition;
  /** Whether more events can be read immediately. */
  readonly hasMore: boolean;
  /** Whether the next events wait for a transaction that is still running, and may have an event before them. */
  readonly isWaiting: boolean;
  /**
   * Whether the audit event of the position, from which the page was read, does not exist any more: the database has
   * lost its last transactions (asynchronous replication, a restore), and the position is of no use.
   */
  readonly isLost: boolean;
  /** Set if events between the position and this page are too old to be read: the times before and after them. */
  readonly missed: MissedEvents | undefined;
};

/** The times of two audit events between which events cannot be read any more. */
export type MissedEvents = { readonly after: Date; readonly before: Date };

/** Reads the audit log as a feed of events. */
export type EventFeed = ReturnType<typeof createEventFeed>;

/**
 * The order of the feed is that of the ids of audit events. An id is assigned while its transaction locks what it
 * changes, so that the events of a group are in the order of their commits. It is assigned before the commit: an audit
 * event may become visible after one with a higher id. So the feed does not go beyond a missing id until no running
 * transaction can have it.
 */
export function createEventFeed(prisma: PrismaClient) {
  const readRows = async (position: EventPosition, operations: readonly string[]): Promise<FeedRows> => {
    const rows = await prisma.$queryRaw<[FeedRow, ...FeedRow[]]>(writeFeedStatement(position, operations));
    const [{ isStored, isKnown, readCount }] = rows;
    const auditRows = rows.filter((row): row is AuditRow => row.id !== null);
    const hasMore = auditRows.length > 0 && (readCount === maxCount || readCount > auditRows.length);
    return {
      rows: auditRows,
      hasMore,
      isLost: !isKnown,
      missed: await findMissed(position, isStored, auditRows),
    };
  };

  /** The audit event of a position that is stored and recent is followed by the next one. */
  const findMissed = async (
    { auditId, atMs }: EventPosition,
    isStored: boolean,
    [next]: readonly AuditRow[],
  ): Promise<MissedEvents | undefined> => {
    const isRecent = isStored && Date.now() - atMs <= feedMs;
    if (isRecent || atMs === 0 || !next || next.id <= auditId + 1n) return undefined;
    const [{ isMissed }] = await prisma.$queryRaw<[{ isMissed: boolean }]>(writeIsMissed(auditId, next.id));
    return isMissed ? { after: new Date(atMs), before: next.at } : undefined;
  };

  const findWriters = async () => {
    const rows = await prisma.$queryRaw<{ writer: string }[]>(readWriters);
    return new Set(rows.map(({ writer }) => writer));
  };

  /** Waits until the transactions that are running now have ended. Returns false if they have not, in time. */
  const waitForWriters = async (): Promise<boolean> => {
    const writers = await findWriters();
    for (const deadline = Date.now() + writerWaitMs; writers.size > 0;) {
      if (Date.now() > deadline) return false;
      await sleep(writerPollMs);
      const running = await findWriters();
      for (const writer of writers) if (!running.has(writer)) writers.delete(writer);
    }
    return true;
  };

  return {
    /**
     * Returns the next events after a position, a limited number; of these types only, if set. If a transaction is
     * running that may have the next event, waits for it for a second at most.
     */
    async read(position: EventPosition, types?: ReadonlySet<EventType>): Promise<FeedPage> {
      const operations = types ? operationsOf(types) : eventOperations;
      const first = await readRows(position, operations);
      const gap = findGap(first.rows, position);
      if (gap === -1) return toPage(position, first, { isWaiting: false });
      const settled = first.rows.slice(0, gap);
      if (settled.length > 0)
        return toPage(position, { ...first, rows: settled, hasMore: true }, { isWaiting: false });
      if (!(await waitForWriters()))
        return toPage(position, { ...first, rows: [], hasMore: false }, { isWaiting: true });

      // The ids that were missing, and whose transactions have ended, are visible now or were rolled back.
      const second = await readRows(position, operations);
      const nextGap = findGap(second.rows, position, first.rows.at(-1)!.id);
      if (nextGap === -1) return toPage(position, second, { isWaiting: false });
      return toPage(
        position,
        { ...second, rows: second.rows.slice(0, nextGap), hasMore: true },
        { isWaiting: false },
      );
    },

    /**
     * Returns a position before all events that are committed from now on. Under unusual conditions, events that were
     * committed shortly before are after it.
     */
    async findEnd(): Promise<EventPosition> {
      const [newest] = await prisma.$queryRaw<AuditPlace[]>(readNewest);
      if (await waitForWriters()) return toPosition(newest);
      const [beforeGap] = await prisma.$queryRaw<AuditPlace[]>(readFirstGap);
      return toPosition(beforeGap && newest && beforeGap.id < newest.id ? beforeGap : newest);
    },

    /**
     * Returns the position of an event from its id, to continue after it.
     * @throws AppError BAD_USER_INPUT if it is no id; NOT_FOUND if there is no such event, or if it is too old.
     */
    async find(eventId: string): Promise<EventPosition> {
      const position = parseEventId(eventId);
      if (!position) throw badInput('after', 'after must be the id of an event');
      if (Date.now() - position.atMs > feedMs) throw eventNotFound(eventId, `is older than ${feedDays} days`);
      const [found] = await prisma.$queryRaw<{ row: NonNullable<FeedRow['row']> }[]>(
        writeFindStatement(position),
      );
      const events = found ? eventsOf(parseAuditEvent({ id: position.auditId, row: found.row })) : [];
      if (!events[position.index])
        throw eventNotFound(
          eventId,
          'is not in this database, or was dropped with its month (AUDIT_RETENTION_DAYS)',
        );
      return position;
    },
  };
}

type AuditRow = FeedRow & { readonly id: bigint };
type AuditPlace = { readonly id: bigint; readonly at: Date };
type FeedRows = Pick<FeedPage, 'hasMore' | 'isLost' | 'missed'> & { readonly rows: readonly AuditRow[] };

/** Returns the index of the first row before which an id after `settledId` is missing; -1 if there is none. */
function findGap(rows: readonly AuditRow[], { auditId }: EventPosition, settledId = 0n): number {
  return rows.findIndex(({ id }, index) => {
    const previous = index === 0 ? auditId : rows[index - 1]!.id;
    return id > previous + 1n && id > settledId;
  });
}

function toPage(
  position: EventPosition,
  { rows, hasMore, isLost, missed }: FeedRows,
  { isWaiting }: Pick<FeedPage, 'isWaiting'>,
): FeedPage {
  const events = rows
    .flatMap(({ id, row }) => (row ? eventsOf(parseAuditEvent({ id, row })) : []))
    .filter((event) => isAfter(event.position, position));
  return {
    events,
    position: rows.length > 0 ? toPosition(rows.at(-1)) : position,
    hasMore,
    isWaiting,
    isLost,
    missed: rows.length > 0 ? missed : undefined,
  };
}

function toPosition(place: AuditPlace | undefined): EventPosition {
  return { auditId: place?.id ?? 0n, atMs: place?.at.getTime() ?? 0, index: Infinity };
}

function eventNotFound(id: string, reason: string): AppError {
  return new AppError(
    'NOT_FOUND',
    `The event ${id} ${reason}. Read the groups again, and continue without after`,
    { argument: 'after', id },
  );
}
