import type { FeedPage } from './event-feed.ts';
import type { EventFilter } from './event-filter.ts';
import { isAfter, type EventPosition } from './event-position.ts';
import type { Event } from './event.ts';
import type { FeedPoller } from './feed-poller.ts';

type StreamOptions = {
  readonly poller: FeedPoller;
  /** Reads pages that the poller does not store any more. */
  readonly readFeed: (position: EventPosition, types: EventFilter['types']) => Promise<FeedPage>;
  /** Where to start; undefined: with the next event. */
  readonly after: EventPosition | undefined;
  /** Events that match it are returned; others may be. A page without events that match does not wake up the stream. */
  readonly filter: EventFilter;
  /** Ends the stream. */
  readonly signal: AbortSignal;
  /** Receives the function that makes the stream return no events, once, for a heartbeat. */
  readonly onIdle: (wakeUp: () => void) => void;
};

/** The database has lost its last transactions: see `FeedPage`. */
export class LostEventsError extends Error {
  override name = 'LostEventsError';
}

/**
 * Returns the events after a position, a page at a time, as they become readable: each of them once. A page may be
 * empty. The first page is empty, and comes when no event that is committed later can be missed. A stream stores no
 * pages, however slowly it is read. @throws LostEventsError; AppError SERVICE_UNAVAILABLE
 */
export async function* streamEvents({
  poller,
  readFeed,
  after,
  filter,
  signal,
  onIdle,
}: StreamOptions): AsyncGenerator<readonly Event[], void> {
  let isLost = false;
  let position!: EventPosition;
  /** Set while the stream waits. It has returned all of its events up to the position of the poller. */
  let resume: (() => void) | undefined;
  const wakeUp = (end = poller.position) => {
    if (!resume) return;
    if (end && isAfter(end, position)) position = end;
    resume();
    resume = undefined;
  };
  onIdle(() => wakeUp());
  signal.addEventListener('abort', () => wakeUp());
  const listening = await poller.listen({
    filter,
    onPage: wakeUp,
    onLost() {
      isLost = true;
      wakeUp();
    },
  });
  position = after ?? listening.position;
  try {
    yield [];
    while (!signal.aborted) {
      if (isLost) throw new LostEventsError();
      const recentPage = poller.findPage(position, filter.types);
      const isBehind = poller.position !== undefined && isAfter(poller.position, position);
      if (!recentPage && !isBehind) {
        await new Promise<void>((resolve) => (resume = resolve));
        yield [];
        continue;
      }
      const page = recentPage ?? (await readFeed(position, filter.types));
      if (page.isLost) throw new LostEventsError();
      const previous = position;
      if (isAfter(page.position, position)) position = page.position;
      yield page.events.filter((event) => isAfter(event.position, previous));
    }
  } finally {
    listening.stop();
  }
}
