import type { EventFeed, FeedPage } from './event-feed.ts';
import { isAfter, type EventPosition } from './event-position.ts';
import type { Event } from './event-types.ts';
import type { FeedPoller } from './feed-poller.ts';

/** How many pages wait for a slow reader. They are shared by all streams; further ones are read again. */
const maxWaitingPages = 10;

type StreamOptions = {
  readonly feed: EventFeed;
  readonly poller: FeedPoller;
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
 * empty. Memory is bounded however slowly the stream is read. @throws LostEventsError; AppError SERVICE_UNAVAILABLE
 */
export async function* streamEvents({
  feed,
  poller,
  after,
  signal,
  onIdle,
}: StreamOptions): AsyncGenerator<readonly Event[], void> {
  const pages: { readonly page: FeedPage; readonly after: EventPosition }[] = [];
  let isLost = false;
  let wakeUp = () => {};
  onIdle(() => wakeUp());
  signal.addEventListener('abort', () => wakeUp());
  const listening = await poller.listen({
    onPage(page, pageAfter) {
      if (pages.length < maxWaitingPages) pages.push({ page, after: pageAfter });
      wakeUp();
    },
    onLost() {
      isLost = true;
      wakeUp();
    },
  });
  let position = after ?? listening.position;
  try {
    while (!signal.aborted) {
      if (isLost) throw new LostEventsError();
      const next = pages.shift();
      // A page after a dropped one is read again.
      const isNext = next !== undefined && !isAfter(next.after, position);
      const isBehind = poller.position !== undefined && isAfter(poller.position, position);
      if (!isNext && !isBehind) {
        await new Promise<void>((resolve) => (wakeUp = resolve));
        if (pages.length === 0) yield [];
        continue;
      }
      const page = isNext ? next.page : await feed.read(position);
      if (page.isLost) throw new LostEventsError();
      const previous = position;
      if (isAfter(page.position, position)) position = page.position;
      yield page.events.filter((event) => isAfter(event.position, previous));
    }
  } finally {
    listening.stop();
  }
}
