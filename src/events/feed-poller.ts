import type { Logger } from '../log.ts';
import { eventsRead } from '../measurements/channels.ts';
import { tracer } from '../measurements/tracer.ts';
import type { EventFeed, FeedPage } from './event-feed.ts';
import { isAfter, type EventPosition } from './event-position.ts';

/** How often the feed is read while someone listens: the delay of events that other servers and commands write. */
const pollMs = 250;
/** The minimum time between two reads, so that one serves many commits of a busy server. */
const minPollMs = 20;
/** The delay after a failed read. */
const retryMs = 1000;

/** How many pages are stored, once for all listeners; earlier ones are read again. */
const maxRecentPages = 10;

/** Is notified of the changes of the feed. Must not throw. */
type FeedListener = {
  /** There is a page after the last position. */
  readonly onPage: () => void;
  /** The database has lost the position: see `FeedPage`. The listener is notified of no further pages. */
  readonly onLost: () => void;
};

export type FeedPoller = ReturnType<typeof createFeedPoller>;

/**
 * Reads the feed once for all listeners of this process: every `pollMs` while there are any, and immediately after a
 * commit of this process, which `onCommit` reports. Without listeners it does nothing.
 */
export function createFeedPoller(
  feed: EventFeed,
  onCommit: (listener: () => void) => () => void,
  log: Logger,
) {
  const listeners = new Set<FeedListener>();
  /** The last pages, in their order and without a gap, each with the position from which it was read. */
  const recent: { readonly page: FeedPage; readonly after: EventPosition }[] = [];
  let position: EventPosition | undefined;
  let starting: Promise<void> | undefined;
  let isPolling = false;
  let isFailing = false;
  /** Whether a commit was reported since the last read began. */
  let isWoken = false;
  let polledAt = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  let stopListening: (() => void) | undefined;

  const schedule = (delayMs: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => void poll(), delayMs);
  };

  const wake = () => {
    isWoken = true;
    if (!isPolling && !isFailing) schedule(Math.max(0, polledAt + minPollMs - performance.now()));
  };

  const start = async () => {
    stopListening ??= onCommit(tracer?.detach(wake) ?? wake);
    const end = await feed.findEnd();
    // The last listener may have left meanwhile, and another start may have come first.
    if (listeners.size === 0 || position !== undefined) return;
    position = end;
    schedule(pollMs);
  };

  const stop = () => {
    clearTimeout(timer);
    stopListening?.();
    stopListening = undefined;
    recent.length = 0;
    position = undefined;
    starting = undefined;
  };

  const deliver = (page: FeedPage, after: EventPosition) => {
    if (page.isLost) {
      const lost = [...listeners];
      listeners.clear();
      stop();
      for (const listener of lost) listener.onLost();
      return;
    }
    position = page.position;
    if (!isAfter(position, after)) return;
    const [oldest] = page.events;
    if (oldest && eventsRead.hasSubscribers) {
      const lagMs = Date.now() - Date.parse(oldest.timestamp);
      eventsRead.publish({ reader: 'subscriptions', count: page.events.length, lagMs });
    }
    recent.push({ page, after });
    if (recent.length > maxRecentPages) recent.shift();
    for (const listener of listeners) listener.onPage();
  };

  const nextDelay = ({ hasMore, isWaiting }: FeedPage) => {
    if (hasMore) return 0;
    return isWoken || isWaiting ? minPollMs : pollMs;
  };

  const poll = async () => {
    if (isPolling || position === undefined) return;
    isPolling = true;
    isWoken = false;
    const after = position;
    try {
      polledAt = performance.now();
      const page = await feed.read(after);
      isFailing = false;
      // It may have been stopped and started meanwhile.
      if (position === after) deliver(page, after);
      if (position !== undefined) schedule(nextDelay(page));
    } catch (error) {
      if (!isFailing) log.warn({ reason: (error as Error).message }, 'cannot read the events: retrying');
      isFailing = true;
      if (position !== undefined) schedule(retryMs);
    } finally {
      isPolling = false;
    }
  };

  return {
    /**
     * Adds a listener and returns, with the function that removes it, the position after which its events start.
     * @throws AppError SERVICE_UNAVAILABLE if the database is unavailable
     */
    async listen(listener: FeedListener): Promise<{ position: EventPosition; stop: () => void }> {
      listeners.add(listener);
      const remove = () => {
        if (listeners.delete(listener) && listeners.size === 0) stop();
      };
      try {
        await (starting ??= start());
      } catch (error) {
        remove();
        throw error;
      }
      return { position: position!, stop: remove };
    },

    /**
     * Returns the first stored page that ends after a position, and does not start after it. Its first events may be
     * before the position.
     */
    findPage(streamPosition: EventPosition): FeedPage | undefined {
      return recent.find(
        ({ page, after }) => isAfter(page.position, streamPosition) && !isAfter(after, streamPosition),
      )?.page;
    },

    /** The position up to which the feed has been read. */
    get position(): EventPosition | undefined {
      return position;
    },

    /** Removes all listeners. */
    close(): void {
      listeners.clear();
      stop();
    },
  };
}
