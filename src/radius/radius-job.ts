import { setMaxListeners } from 'node:events';
import { nextPollAfter, startPollLoop, type NextPoll } from '../deliveries/poll-loop.ts';
import type { EventFeed } from '../events/event-feed.ts';
import type { EventPosition } from '../events/event-position.ts';
import { formatFeedCursor, parseFeedCursor } from '../events/feed-cursor.ts';
import type { Logger } from '../log.ts';
import type { MutationRunner } from '../mutations/mutation-runner.ts';
import type { DeliveryStore } from './delivery-store.ts';
import type { Sending } from './sending.ts';
import { findPlanIds, toSessionChanges } from './session-changes.ts';

/** The background work that sends Disconnect- and CoA-Requests after changes. */
export type RadiusJob = {
  /** Ends running attempts within a second, lets another process send, and ends the work. */
  stop(): Promise<void>;
};

/** The delay of events that other servers write, and of retries. */
const pollMs = 1000;
/** The same while more deliveries may be due than have places at a NAS. */
const fullPollMs = 250;
/** How often a process that does not send tries to. */
const idlePollMs = 2000;
/** A killed process is replaced after this time. */
const leaseMs = 10_000;
const renewMs = 3000;
/** A stop waits this long for responses; without one, another process sends the request again. */
const stopTimeoutMs = 1000;

type RadiusJobParts = {
  readonly store: DeliveryStore;
  readonly feed: EventFeed;
  readonly sending: Sending;
  /** Reports the commits of this process, whose events are read without delay. */
  readonly mutations: Pick<MutationRunner, 'onCommit'>;
};

/**
 * Starts the job. Each server runs one; one of them at a time sends, so that no NAS receives more packets because there
 * are several servers. The sending process proves its lease to itself: it stops when the time is over, also if it was
 * suspended meanwhile.
 */
export function startRadiusJob({ store, feed, sending, mutations }: RadiusJobParts, log: Logger): RadiusJob {
  let cursor: string | undefined;
  /** The position up to which the feed had no change after the cursor: read again from there, without a write. */
  let read: EventPosition | undefined;
  let renewedAt = -Infinity;
  let term = createTerm();
  let termTimer: NodeJS.Timeout | undefined;

  const endTerm = () => {
    term.abort();
    cursor = undefined;
  };
  /** Returns whether this process may send. */
  const renewLease = async (): Promise<boolean> => {
    const now = performance.now();
    if (cursor !== undefined && now - renewedAt < renewMs) return true;
    const stored = await store.lease(leaseMs);
    if (stored === undefined) {
      endTerm();
      return false;
    }
    if (term.signal.aborted) term = createTerm();
    if (stored !== cursor) read = undefined;
    cursor = stored;
    renewedAt = now;
    clearTimeout(termTimer);
    termTimer = setTimeout(endTerm, now + leaseMs - performance.now());
    return true;
  };

  /** Reads a page of events, and inserts their deliveries. Returns when to read the next one. */
  const advance = async (from: string): Promise<NextPoll> => {
    const page = await feed.read(read ?? parseFeedCursor(from));
    const { hasMore, isWaiting } = page;
    const eventCount = page.events.length;
    // After a failover to a standby that has lost the last transactions, the stored cursor is still right.
    if (page.isLost && read !== undefined) {
      read = undefined;
      return nextPollAfter({ eventCount, hasMore: true, isWaiting }, pollMs);
    }
    const changes = toSessionChanges(page.events, await store.findPlans(findPlanIds(page.events)));
    if (changes.length === 0 && !hasMore) read = page.position;
    else {
      const to = formatFeedCursor(page.position);
      const count = await store.fanOut({ from, to }, changes, sending.inFlight());
      if (count === undefined) endTerm();
      else cursor = to;
      read = undefined;
    }
    return nextPollAfter({ eventCount, hasMore, isWaiting }, pollMs);
  };

  const poll = async (): Promise<NextPoll> => {
    if (!(await renewLease())) return { delayMs: idlePollMs };
    const next = await advance(cursor!);
    const isFull = await sending.run(term.signal);
    return isFull ? { ...next, delayMs: Math.min(next.delayMs, fullPollMs) } : next;
  };
  const loop = startPollLoop({ poll, mutations, log, failure: 'sending to NAS failed' });

  return {
    async stop() {
      await loop.stop();
      const abandon = setTimeout(() => term.abort(), stopTimeoutMs);
      await sending.finish();
      clearTimeout(abandon);
      clearTimeout(termTimer);
      // The lease ends by itself if the database is unavailable.
      if (cursor !== undefined) await store.release().catch(() => undefined);
    },
  };
}

/** A term of this process as the one that sends. Each attempt listens to its end. */
function createTerm(): AbortController {
  const term = new AbortController();
  setMaxListeners(0, term.signal);
  return term;
}
