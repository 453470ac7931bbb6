import { requireNoneMissed, type FeedPage } from './event-feed.ts';
import { isAfter, type EventPosition } from './event-position.ts';
import type { Event } from './event.ts';
import type { FeedPoller } from './feed-poller.ts';

type StreamOptions = {
  readonly poller: FeedPoller;
  /** Reads pages that the poller does not store any more. */
  readonly readFeed: (position: EventPosition) => Promise<FeedPage>;
  /** Where to start; undefined: with the next event. */
  readonly after: EventPosition | undefined;
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
 * pages, however slowly it is read.
 * @throws LostEventsError; AppError NOT_FOUND if the next events are too old to be read; SERVICE_UNAVAILABLE
 */
export async function* streamEvents({
  poller,
  readFeed,
  after,
  signal,
  onIdle,
}: StreamOptions): AsyncGenerator<readonly Event[], void> {
  let isLost = false;
  let wakeUp = () => {};
  onIdle(() => wakeUp());
  signal.addEventListener('abort', () => wakeUp());
  const listening = await poller.listen({
    onPage: () => wakeUp(),
    onLost() {
      isLost = true;
      wakeUp();
    },
  });
  let position = after ?? listening.position;
  try {
    yield [];
    while (!signal.aborted) {
      if (isLost) throw new LostEventsError();
      const recentPage = poller.findPage(position);
      const isBehind = poller.position !== undefined && isAfter(poller.position, position);
      if (!recentPage && !isBehind) {
        await new Promise<void>((resolve) => (wakeUp = resolve));
        yield [];
        continue;
      }
      const page = recentPage ?? (await readFeed(position));
      if (page.isLost) throw new LostEventsError();
      requireNoneMissed(page);
      const previous = position;
      if (isAfter(page.position, position)) position = page.position;
      yield page.events.filter((event) => isAfter(event.position, previous));
    }
  } finally {
    listening.stop();
  }
}
