import type { Logger } from '../log.ts';
import { tracer } from '../measurements/tracer.ts';
import type { MutationRunner } from '../mutations/mutation-runner.ts';
import { logFailure } from './log-failure.ts';

/** Background work that is repeated. */
type PollLoop = {
  /** Starts no further poll, and resolves once the running one has ended. */
  stop(): Promise<void>;
};

/** When to poll next, in milliseconds. */
export type NextPoll = {
  /** After the end of this poll. */
  readonly delayMs: number;
  /**
   * The minimum time between two polls, if this process commits a change. If unset, its commits are not listened to.
   */
  readonly minDelayMs?: number;
};

type PollLoopParts = {
  /** Does the work that is due. */
  readonly poll: () => Promise<NextPoll>;
  /** Reports the commits of this process, whose changes are read without delay. */
  readonly mutations: Pick<MutationRunner, 'onCommit'>;
  readonly log: Logger;
  /** What has failed, for the log, if a poll rejects. */
  readonly failure: string;
};

/** The delay after an error. */
const retryMs = 1000;
/** The minimum time between two polls, so that one serves many commits of a busy server. */
const minPollMs = 50;
/** The same after a poll with more than `manyEvents`. */
const busyPollMs = 200;
const manyEvents = 20;

/** Starts to poll, at once, and after each of the delays. A poll that fails is logged and repeated. */
export function startPollLoop({ poll, mutations, log, failure }: PollLoopParts): PollLoop {
  let isStopping = false;
  /** Whether a commit was reported since the last poll began. */
  let isWoken = false;
  let polledAt = -Infinity;
  let minDelayMs = minPollMs;
  let timer: NodeJS.Timeout | undefined;
  let polling: Promise<void> | undefined;
  let ignoreCommits: (() => void) | undefined;

  const schedule = (delayMs: number) => {
    clearTimeout(timer);
    if (!isStopping) timer = setTimeout(tick, delayMs);
  };
  const wake = () => {
    if (isWoken) return;
    isWoken = true;
    if (polling === undefined) schedule(Math.max(0, polledAt + minDelayMs - performance.now()));
  };
  const listenToCommits = (isListening: boolean) => {
    if (isListening === (ignoreCommits !== undefined)) return;
    ignoreCommits?.();
    ignoreCommits = isListening ? mutations.onCommit(tracer?.detach(wake) ?? wake) : undefined;
    // There may have been a commit since the poll has read.
    isWoken = isListening;
  };
  const pollOnce = async (): Promise<number> => {
    try {
      const next = await poll();
      listenToCommits(next.minDelayMs !== undefined && !isStopping);
      minDelayMs = next.minDelayMs ?? minPollMs;
      return isWoken ? Math.min(next.delayMs, minDelayMs) : next.delayMs;
    } catch (error) {
      logFailure(log, failure, error);
      return retryMs;
    }
  };
  const tick = () => {
    polledAt = performance.now();
    isWoken = false;
    polling = pollOnce().then((delayMs) => {
      polling = undefined;
      schedule(delayMs);
    });
  };

  schedule(0);
  return {
    async stop() {
      isStopping = true;
      listenToCommits(false);
      clearTimeout(timer);
      await polling;
    },
  };
}

/** Returns when to read the feed again after a page of events: after `pollMs`, unless more can be read earlier. */
export function nextPollAfter(
  { eventCount, hasMore, isWaiting }: { eventCount: number; hasMore: boolean; isWaiting: boolean },
  pollMs: number,
): NextPoll {
  const minDelayMs = eventCount > manyEvents ? busyPollMs : minPollMs;
  return { delayMs: hasMore ? 0 : isWaiting ? minDelayMs : pollMs, minDelayMs };
}
