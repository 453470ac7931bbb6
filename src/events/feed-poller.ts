import type { Logger } from '../log.ts';
import { eventsRead } from '../measurements/channels.ts';
import { tracer } from '../measurements/tracer.ts';
import type { MutationRunner } from '../mutations/mutation-runner.ts';
import type { EventFeed, FeedPage } from './event-feed.ts';
import type { EventFilter } from './event-filter.ts';
import { isAfter, type EventPosition } from './event-position.ts';
import type { EventType } from './event-types.ts';
import { typeOfOperation } from './event.ts';
import { createListenerIndex } from './listener-index.ts';

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
  readonly filter: EventFilter;
  /** The page after this position has events that match the filter. Those between the last such page and it do not. */
  readonly onPage: (after: EventPosition) => void;
  /** The database has lost the position: see `FeedPage`. The listener is notified of no further pages. */
  readonly onLost: () => void;
};

export type FeedPoller = ReturnType<typeof createFeedPoller>;

/**
 * Reads the events of the types that the listeners of this process ask for, once for all of them: every `pollMs` while
 * there are any, and immediately after a commit of such an event by this process, which `onCommit` reports. Without
 * listeners it does nothing.
 */
export function createFeedPoller(feed: EventFeed, onCommit: MutationRunner['onCommit'], log: Logger) {
  const listeners = createListenerIndex<FeedListener>();
  /** The last pages, in their order, each with the position from which it was read, and its types. */
  const recent: {
    readonly page: FeedPage;
    readonly after: EventPosition;
    readonly types: ReadonlySet<EventType>;
  }[] = [];
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

  const wake = (operation: string) => {
    const type = typeOfOperation(operation);
    if (type === undefined || !listeners.hasType(type)) return;
    isWoken = true;
    if (!isPolling && !isFailing) schedule(Math.max(0, polledAt + minPollMs - performance.now()));
  };

  const start = async () => {
    stopListening ??= onCommit(tracer?.detach(wake) ?? wake);
    const end = await feed.findEnd();
    // The last listener may have left meanwhile, and another start may have come first.
    if (listeners.count() === 0 || position !== undefined) return;
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

  const deliver = (page: FeedPage, after: EventPosition, types: ReadonlySet<EventType>) => {
    if (page.isLost) {
      const lost = listeners.clear();
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
    recent.push({ page, after, types });
    if (recent.length > maxRecentPages) recent.shift();
    for (const listener of listeners.find(page.events)) listener.onPage(after);
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
      const types = listeners.types();
      const page = await feed.read(after, types);
      isFailing = false;
      // Otherwise it is read again, for the listeners to other types that were added since the read began.
      const isComplete = includesAll(types, listeners.types());
      // It may have been stopped and started meanwhile.
      if (position === after && isComplete) deliver(page, after, types);
      if (position !== undefined) schedule(isComplete ? nextDelay(page) : 0);
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
        if (listeners.remove(listener) && listeners.count() === 0) stop();
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
     * Returns the first stored page that ends after a position, and does not start after it, if it was read with these
     * types. Its first events may be before the position.
     */
    findPage(streamPosition: EventPosition, types: ReadonlySet<EventType>): FeedPage | undefined {
      const recentPage = recent.find(
        ({ page, after }) => isAfter(page.position, streamPosition) && !isAfter(after, streamPosition),
      );
      return recentPage && includesAll(recentPage.types, types) ? recentPage.page : undefined;
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

function includesAll(types: ReadonlySet<EventType>, wanted: ReadonlySet<EventType>): boolean {
  return [...wanted].every((type) => types.has(type));
}
