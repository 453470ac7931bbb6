import { setMaxListeners } from 'node:events';
import { nextPollAfter, startPollLoop, type NextPoll } from '../../deliveries/poll-loop.ts';
import type { PrismaClient } from '../../generated/prisma/client.ts';
import type { Logger } from '../../log.ts';
import type { MutationRunner } from '../../mutations/mutation-runner.ts';
import type { EventFeed } from '../event-feed.ts';
import { createDeliveryLane, type DeliveryLane } from './delivery-lane.ts';
import { createDeliveryStore } from './delivery-store.ts';
import { selectActiveEndpoints, type ActiveEndpoint } from './endpoint-statements.ts';
import { createFanOut } from './fan-out.ts';
import type { AttemptSender } from './send-attempt.ts';
import { createSlots } from './slots.ts';

/** The background work that delivers events to webhooks. */
export type WebhookJob = {
  /** Completes running attempts within a few seconds, gives the others back, and ends the work. */
  stop(): Promise<void>;
};

/** The delay of events that other servers write, and of retries. */
const pollMs = 250;
/** Without an enabled endpoint, this is how long a new one waits at most. */
const idlePollMs = 2000;
const maxConcurrentAttempts = 16;
/** Those at endpoints whose last attempt failed, which may wait for a timeout: they leave slots to the others. */
const maxUnavailableAttempts = 8;
/** A stop waits this long for running attempts: together with that of requests, it is less than the 10 s of Docker. */
const stopTimeoutMs = 3000;

type WebhookJobParts = {
  readonly prisma: PrismaClient;
  /** Reports the commits of this process, whose events are delivered without delay. */
  readonly mutations: Pick<MutationRunner, 'onCommit'>;
  readonly feed: EventFeed;
  readonly sender: AttemptSender;
};

/**
 * Starts the job. Each server runs one: they share the deliveries, and a server that is killed leaves its own to the
 * others. Without an enabled endpoint the job runs one small query every two seconds, and listens to no commits.
 */
export function startWebhookJob(
  { prisma, mutations, feed, sender }: WebhookJobParts,
  log: Logger,
): WebhookJob {
  const store = createDeliveryStore(prisma, log);
  const fanOut = createFanOut(prisma, feed, log);
  const slots = createSlots(maxConcurrentAttempts, maxUnavailableAttempts);
  const abandoning = new AbortController();
  // Each running attempt listens to it.
  setMaxListeners(maxConcurrentAttempts, abandoning.signal);
  let isStopping = false;
  const stop = { isStopping: () => isStopping, signal: abandoning.signal };
  const lanes = new Map<number, DeliveryLane>();

  const laneOf = (endpoint: ActiveEndpoint): DeliveryLane => {
    const lane = lanes.get(endpoint.id) ?? createDeliveryLane(endpoint, store, sender, slots, stop);
    lanes.set(endpoint.id, lane);
    return lane;
  };
  const poll = async (): Promise<NextPoll> => {
    const endpoints = await prisma.$queryRaw<ActiveEndpoint[]>(selectActiveEndpoints);
    for (const [id, lane] of lanes) {
      lane.update(endpoints.find((endpoint) => endpoint.id === id));
      if (lane.isIdle()) lanes.delete(id);
    }
    if (endpoints.length === 0) return { delayMs: idlePollMs };
    const { insertedIds, ...read } = await fanOut.run(endpoints);
    for (const endpoint of endpoints)
      if (endpoint.dueCount > 0 || insertedIds.includes(endpoint.id)) laneOf(endpoint).wake();
    return nextPollAfter(read, pollMs);
  };
  const loop = startPollLoop({ poll, mutations, log, failure: 'reading events for webhooks failed' });

  return {
    async stop() {
      isStopping = true;
      const abandon = setTimeout(() => abandoning.abort(), stopTimeoutMs);
      await loop.stop();
      await Promise.all([...lanes.values()].map((lane) => lane.finish()));
      clearTimeout(abandon);
      sender.close();
    },
  };
}
